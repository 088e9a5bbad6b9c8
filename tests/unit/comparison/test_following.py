import dataclasses

import pytest
import torch
from torch.nn import functional as F

from fsrfer.comparison.following import FollowingTrainer
from fsrfer.comparison.rivals import RIVALS
from fsrfer.losses import distillation_loss
from fsrfer.recipes.schema import changed, load_recipe
from fsrfer.training.build import residual_net
from fsrfer.training.views import Views
from support.tiny_recipes import TINY_COMPARISON
from support.training_parts import require_resumed_alike, same, state, tiny_faces

FACES = tiny_faces()
FIXED = next(rival.changes for rival in RIVALS if rival.name == "fsr")
PLAIN = ("losses.reweight=false",)
EVERYTHING = ("losses.adversarial=0.1", "losses.attention=1.0", "losses.size_loss=0.1")
NAMES = {"size", "classification", "feature", "attention", "perceptual", "distillation", "adversarial"}


@pytest.fixture
def trainer(fabric):
    def make(*changes, train=FACES, kind=FollowingTrainer):
        recipe = changed(load_recipe("comparison", TINY_COMPARISON), changes)
        described = recipe.input, recipe.architecture, recipe.uplift
        network, start = (residual_net(seed, *described) for seed in (recipe.seed, 99))
        teacher = start.eval().requires_grad_(False) if recipe.teacher == "start" else None
        return kind(fabric, recipe, network, teacher, train, FACES)

    return make


def views(times=1):
    """Fourteen views that lead, and as many that follow, one or more times."""
    drawn, count = torch.Generator().manual_seed(1), 14 * (1 + times)
    faces = torch.randint(0, 256, (count, 1, 16, 16), generator=drawn).float()
    labels = FACES.labels[:14].repeat(1 + times)
    return Views(faces, torch.linspace(1, 4, count), F.one_hot(labels, 7).float(), labels)


def made_output(network, seen):
    """What a network might make of some views: any features, with their answers."""
    features = torch.rand(len(seen.labels), 8, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return network.eval().lift(features, seen.log2_px)


def found(one, seen, step=0):
    return one.losses_of(seen, 14, made_output(one.network, seen), step)


def test_a_network_that_teaches_itself_follows_its_sharp_view_alone(trainer):
    one = trainer(*PLAIN, "losses.feature=0.5", "losses.perceptual=2.0", "losses.attention=1.0")
    seen = views(times=2)
    output = made_output(one.network, seen)
    lifted, embedding = output.lifted, output.embedding
    losses = one.losses_of(seen, 14, output, 0)
    led, pooled = lifted[:14].repeat(2, 1, 1, 1), embedding[:14].repeat(2, 1)
    torch.testing.assert_close(losses["feature"], 0.5 * (lifted[14:] - led).square().sum((1, 2, 3)).mean())
    torch.testing.assert_close(losses["perceptual"], 2 * (embedding[14:] - pooled).square().sum(1).mean())
    alike = dataclasses.replace(output, lifted=torch.cat([led[:14], led]), embedding=torch.cat([pooled[:14], pooled]))
    alike = dataclasses.replace(alike, logits=one.network.head(alike.embedding))
    followed = one.losses_of(seen, 14, alike, 0)
    assert [followed[name].item() for name in ("feature", "perceptual")] == [0, 0]
    assert [followed[name].item() for name in ("attention", "distillation")] == pytest.approx([0, 0], abs=1e-6)


def test_what_is_followed_gets_no_gradient(trainer):
    one, seen = trainer(), views()
    output = made_output(one.network, seen)
    lifted = output.lifted.requires_grad_()
    one.losses_of(seen, 14, dataclasses.replace(output, lifted=lifted), 0)["feature"].backward()
    assert lifted.grad[:14].abs().max() == 0
    assert lifted.grad[14:].abs().max() > 0


def test_sharp_views_alone_leave_a_network_nothing_to_follow(trainer):
    assert set(found(trainer(*EVERYTHING), views(times=0))) == {"size", "classification"}


def test_a_teacher_is_followed_by_the_sharp_views_too(trainer):
    one, seen = trainer(*PLAIN, "teacher=start", "losses.feature=1.0"), views()
    with torch.no_grad():
        taught = one.teacher.analyse(seen.faces[:14]).lifted
    distances = (made_output(one.network, seen).lifted - taught.repeat(2, 1, 1, 1)).square().sum((1, 2, 3))
    torch.testing.assert_close(found(one, seen)["feature"], distances.mean())


def test_a_teacher_answers_to_the_mirror_image_too(trainer):
    one, seen = trainer(*PLAIN, "teacher=start", "losses.distillation=1.0", "losses.temperature=3.0"), views(times=0)
    with torch.no_grad():
        looks = [one.teacher(faces) for faces in (seen.faces, seen.faces.flip(-1))]
    assert not torch.allclose(*looks)
    expected = distillation_loss(made_output(one.network, seen).logits, (looks[0] + looks[1]) / 2, temperature=3.0)
    torch.testing.assert_close(found(one, seen)["distillation"], expected)


def test_faces_that_are_likely_to_be_misread_weigh_more(trainer):
    one, seen = trainer("losses.feature=1.0"), views()
    output = made_output(one.network, seen)
    right = output.logits[14:].softmax(1)[torch.arange(14), seen.labels[14:]]
    distances = (output.lifted[14:] - output.lifted[:14]).square().sum((1, 2, 3))
    torch.testing.assert_close(found(one, seen)["feature"], ((1.5 - right) ** 2 * distances).mean())


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_coefficient_of_zero_leaves_a_loss_out(trainer, name):
    assert set(found(trainer(*EVERYTHING), views())) == NAMES
    key = "size_loss" if name == "size" else name
    assert set(found(trainer(*EVERYTHING, f"losses.{key}=0.0"), views())) == NAMES - {name}


def test_logits_are_adjusted_by_how_frequent_classes_are(trainer):
    seen, adjusted = views(), "losses.logit_adjustment=1.0"
    plain = found(trainer(), seen)["classification"]
    # All seven are equally frequent here, which shifts every logit alike: nothing changes.
    torch.testing.assert_close(found(trainer(adjusted), seen)["classification"], plain)
    rare = dataclasses.replace(FACES, votes=F.one_hot(torch.zeros(42, dtype=torch.long), 7).float())
    one = trainer(adjusted, train=rare)
    # A class that no face has counts as if one face in 42 had it.
    shares = torch.tensor([1.0, *[1 / 42] * 6])
    expected = F.cross_entropy(made_output(one.network, seen).logits + shares.log(), seen.votes)
    torch.testing.assert_close(found(one, seen)["classification"], expected)


def test_the_views_of_a_step_are_the_sharp_ones_and_then_those_that_follow(trainer):
    class Watched(FollowingTrainer):
        def losses_of(self, views, sharp, output, step):
            self.seen = views, sharp
            return super().losses_of(views, sharp, output, step)

    one = trainer("views.shrunk=2", kind=Watched)
    one.losses(3)
    seen, sharp = one.seen
    assert (sharp, len(seen.faces)) == (14, 42)
    first, *others = seen.log2_px.split(14)
    assert set(first.exp2().round().tolist()) <= {10, 16}
    assert all((other <= first).all() and (other < first).any() for other in others)
    assert not torch.equal(*others)
    assert torch.equal(seen.labels, seen.labels[:14].repeat(3))


def test_a_fixed_extractor_and_head_stay_as_they_were_while_the_rest_learns(trainer):
    one = trainer(*FIXED, "losses.feature=0.1")
    network = one.network
    fixed, taught = (state(network.stem, network.stages, network.head), state(one.teacher))
    learning = {"uplift": state(network.uplift), "size": state(network.effective_size)}
    for step in range(3):
        one.train_step(step)
    one.validate()
    average = one.average.module
    assert same(fixed, state(network.stem, network.stages, network.head))
    assert same(fixed, state(average.stem, average.stages, average.head))
    assert same(taught, state(one.teacher))
    for name, part in (("uplift", network.uplift), ("size", network.effective_size)):
        assert all(not torch.equal(*pair) for pair in zip(learning[name], state(part), strict=True)), name


def test_a_fixed_extractor_is_closed_to_gradients_and_the_sizes_are_not(trainer):
    one = trainer(*FIXED)
    output = one.analyse(views().faces)
    assert not output.features.requires_grad
    output.log2_px.sum().backward()
    assert all(parameter.grad is not None for parameter in one.network.effective_size.parameters())


def test_a_checkpoint_keeps_the_critic_too(trainer, tmp_path):
    one, again = (trainer("losses.adversarial=0.1") for _ in range(2))
    require_resumed_alike(one, again, tmp_path)
    assert same(state(one.critic.discriminator), state(again.critic.discriminator))
