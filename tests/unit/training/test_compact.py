import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fsrfer.degradation.resize import BatchDegrader
from fsrfer.errors import RecipeError
from fsrfer.losses import distillation_loss
from fsrfer.networks.compact import CompactOutput
from fsrfer.recipes.schema import load_recipe
from fsrfer.training.build import compact_net
from fsrfer.training.compact import CompactTrainer
from fsrfer.training.compute import open_fabric
from fsrfer.training.faces import Faces
from support.made_faces import pattern
from support.tiny_recipes import TINY_COMPACT

UNCHANGED = [
    "augmentation.flip=false",
    *(f"augmentation.{name}=0.0" for name in ("rotation", "scale", "shift", "gamma")),
]
POOR_CAMERA = [
    "camera.share=1.0",
    "camera.blur=1.0",
    "camera.motion=1.5",
    "camera.noise=10.0",
    "camera.jpeg_quality=40",
]
FIXED = ["extractor=fixed", "teacher=parent", "losses.classification=0.0"]
GAN = ["losses.adversarial=0.5", "losses.feature=0.0", "losses.perceptual=0.0", "losses.distillation=0.0"]


@pytest.fixture(scope="module")
def fabric():
    return open_fabric(1, 1, "32-true")


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    labels = torch.arange(42) % 7
    pixels = np.stack([pattern(int(label), 16, rng) for label in labels])
    heights = torch.tensor([20, 10, 16])[torch.arange(42) % 3]
    votes = torch.nn.functional.one_hot(labels, 7).float()
    return Faces(torch.from_numpy(pixels), votes, labels, heights, {})


@pytest.fixture
def trainer(fabric, faces):
    def make(*changes):
        recipe = load_recipe("compact-small", [*TINY_COMPACT, *changes])
        starts = [recipe.model_copy(update={"seed": recipe.seed + place}) for place, _ in enumerate(recipe.teachers)]
        teachers = [compact_net(start) for start in starts]
        return CompactTrainer(fabric, recipe, compact_net(recipe), teachers, faces, faces)

    return make


def as_process(trainer, rank, processes=2):
    """The trainer as one of several processes."""
    trainer.fabric = SimpleNamespace(world_size=processes, global_rank=rank, device=torch.device("cpu"))
    return trainer


def made_output(network, views, seed=0):
    """What a network might make of some views: any features, with their answers."""
    features = torch.rand(len(views.labels), 8, 8, 8, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return network.eval().lift(features, views.log2_px)


def state_of(*parts):
    return [value.clone() for part in parts for value in part.state_dict().values()]


# Views


def test_sharp_views_come_first_and_are_not_shrunk(trainer, faces):
    views = trainer(*UNCHANGED).views(3)
    assert views.sharp == 14
    assert views.faces.shape == (42, 1, 16, 16)
    found = {tuple(face.flatten().tolist()) for face in faces.pixels}
    sharp = [tuple(face.flatten().int().tolist()) for face in views.faces[:14]]
    assert set(sharp) <= found
    assert not found & {tuple(face.flatten().int().tolist()) for face in views.faces[14:]}
    for view in (views.labels, views.votes):
        assert torch.equal(view[:14], view[14:28])
        assert torch.equal(view[:14], view[28:])


def test_targets_are_the_heights_that_views_have_left(trainer, faces):
    views = trainer(*UNCHANGED).views(0)
    heights = {
        tuple(face.flatten().tolist()): int(height) for face, height in zip(faces.pixels, faces.heights, strict=True)
    }
    whole = torch.tensor([heights[tuple(face.flatten().int().tolist())] for face in views.faces[:14]])
    sizes = 2**views.log2_px
    torch.testing.assert_close(sizes[:14], whole.clamp(max=16).float())  # no view has more pixels than the network sees
    small = sizes[14:].round()
    torch.testing.assert_close(sizes[14:], small)
    assert (small >= (whole / 8.5).round().repeat(2)).all()
    assert (small <= whole.repeat(2).clamp(max=16)).all()
    assert len(set(small.tolist())) > 5
    shrunk = BatchDegrader(16)(views.faces[:14].repeat(2, 1, 1, 1), small.long())
    assert (shrunk - views.faces[14:]).abs().max() <= 1


def test_a_camera_takes_detail_from_shrunk_views_alone(trainer):
    plain, spoiled = trainer(*UNCHANGED).views(0), trainer(*UNCHANGED, *POOR_CAMERA).views(0)
    assert torch.equal(spoiled.faces[:14], plain.faces[:14])
    assert torch.equal(spoiled.log2_px[:14], plain.log2_px[:14])
    assert (spoiled.log2_px[14:] < plain.log2_px[14:]).all()
    assert (spoiled.faces[14:] != plain.faces[14:]).any((1, 2, 3)).all()


def test_a_batch_depends_on_its_step_alone(trainer):
    first = trainer(*POOR_CAMERA)
    first.views(0)
    one, same, other = first.views(5), trainer(*POOR_CAMERA).views(5), first.views(6)
    for field in ("faces", "log2_px", "votes", "labels"):
        assert torch.equal(getattr(one, field), getattr(same, field))
    assert not torch.equal(one.faces, other.faces)
    assert not torch.equal(one.log2_px, other.log2_px)


def test_the_views_of_two_processes_make_up_those_of_one(trainer):
    alone = trainer(*POOR_CAMERA).views(2)
    parts = [as_process(trainer(*POOR_CAMERA), rank).views(2) for rank in (0, 1)]
    assert [part.sharp for part in parts] == [7, 7]
    for field in ("log2_px", "votes", "labels"):
        whole, halves = getattr(alone, field), [getattr(part, field) for part in parts]
        assert torch.equal(torch.cat([half.unflatten(0, (3, 7)) for half in halves], 1).flatten(0, 1), whole)
    together = torch.cat([part.faces.unflatten(0, (3, 7)) for part in parts], 1).flatten(0, 1)
    assert (together != alone.faces).float().mean() < 0.001  # rounded to whole grey levels


SEEN_ONCE = [
    "views.shrunk=0", "views.sharp_share=0.25", "losses.feature=0.0", "losses.perceptual=0.0", "losses.distillation=0.0",
]  # fmt: skip


def test_faces_seen_once_are_sharp_by_a_share_and_shrunk_by_the_others(trainer, faces):
    found = {tuple(face.flatten().tolist()) for face in faces.pixels}
    one, sharp = trainer(*UNCHANGED, *SEEN_ONCE), []
    for step in range(30):
        views = one.views(step)
        assert views.faces.shape == (14, 1, 16, 16)
        kept = [tuple(face.flatten().int().tolist()) in found for face in views.faces]
        whole = views.log2_px.exp2().round() >= 10  # the lowest of the heights
        assert all(whole[place] for place, is_sharp in enumerate(kept) if is_sharp)
        sharp += kept
    assert 0.15 < sum(sharp) / len(sharp) < 0.35  # of 420, three standard deviations around a quarter


def test_faces_seen_once_are_the_same_in_two_processes(trainer):
    alone = trainer(*SEEN_ONCE).views(2)
    parts = [as_process(trainer(*SEEN_ONCE), rank).views(2) for rank in (0, 1)]
    for field in ("log2_px", "votes", "labels"):
        assert torch.equal(torch.cat([getattr(part, field) for part in parts]), getattr(alone, field))
    together = torch.cat([part.faces for part in parts])
    assert (together != alone.faces).float().mean() < 0.001  # rounded to whole grey levels


def test_nothing_can_follow_a_view_that_is_not_sharp(trainer):
    with pytest.raises(RecipeError, match=r"views\.sharp_share must be 1"):
        trainer("views.sharp_share=0.25")


def test_without_a_loss_there_is_nothing_to_learn(trainer):
    nothing = ["losses.classification=0.0", "losses.size=0.0"]
    assert "size" not in trainer("losses.size=0.0").train_step(0)
    with pytest.raises(RecipeError, match="no loss has a coefficient above 0"):
        trainer(*SEEN_ONCE, *nothing)


# Losses


def test_a_network_that_teaches_itself_follows_its_sharp_view_alone(trainer):
    one = trainer("losses.feature=0.5", "losses.perceptual=2.0", "losses.reweight=false", "views.shrunk=1")
    views = one.views(0)
    output = made_output(one.network, views)
    lifted, embedding = output.lifted, output.embedding
    losses = one.losses(views, output, 0)
    distances = (lifted[14:] - lifted[:14]).square().sum((1, 2, 3))
    torch.testing.assert_close(losses["feature"], 0.5 * distances.mean())
    torch.testing.assert_close(losses["perceptual"], 2 * (embedding[14:] - embedding[:14]).square().sum(1).mean())
    same = dataclasses.replace(output, lifted=lifted[:14].repeat(2, 1, 1, 1), embedding=embedding[:14].repeat(2, 1))
    same = dataclasses.replace(same, logits=one.network.head(same.embedding))
    followed = one.losses(views, same, 0)
    assert [followed[name].item() for name in ("feature", "perceptual")] == [0, 0]
    assert followed["distillation"].item() == pytest.approx(0, abs=1e-6)


def test_what_is_followed_gets_no_gradient(trainer):
    one = trainer("views.shrunk=1")
    views = one.views(0)
    output = made_output(one.network, views)
    lifted = output.lifted.requires_grad_()
    one.losses(views, dataclasses.replace(output, lifted=lifted), 0)["feature"].backward()
    assert lifted.grad[:14].abs().max() == 0
    assert lifted.grad[14:].abs().max() > 0


def test_sharp_views_alone_leave_a_network_nothing_to_follow(trainer):
    one = trainer("views.shrunk=0", *GAN)
    views = one.views(0)
    assert set(one.losses(views, made_output(one.network, views), 0)) == {"size", "classification"}


def test_balance_levels_the_classes_that_the_labels_loss_is_counted_on(trainer):
    plain, balanced = trainer(), trainer("losses.balance=1.0")
    views = plain.views(0)
    output = made_output(plain.network, views)
    # All seven are equally frequent here, which shifts every logit alike: nothing changes.
    expected = plain.losses(views, output, 0)["classification"]
    torch.testing.assert_close(balanced.losses(views, output, 0)["classification"], expected)
    rare = trainer("losses.balance=1.0")
    rare.class_shares = torch.tensor([1 - 6e-6, *[1e-6] * 6])
    assert rare.losses(views, output, 0)["classification"] > expected + 5


def test_a_class_that_no_face_has_is_levelled_too(fabric, faces):
    recipe = load_recipe("compact-small", [*TINY_COMPACT, "losses.balance=1.0"])
    without = Faces(faces.pixels[1:6], faces.votes[1:6], faces.labels[1:6], faces.heights[1:6], {})
    trainer = CompactTrainer(fabric, recipe, compact_net(recipe), [], without, without)
    assert trainer.class_shares.tolist() == pytest.approx([0.2] * 7)


def test_a_teacher_is_followed_by_the_sharp_views_too(trainer):
    one = trainer("teacher=parent", "losses.feature=1.0", "losses.reweight=false", "views.shrunk=1")
    views = one.views(0)
    output = made_output(one.network, views)
    with torch.no_grad():
        taught = one.teachers[0].analyse(views.faces[:14]).lifted
    distances = (output.lifted - taught.repeat(2, 1, 1, 1)).square().sum((1, 2, 3))
    torch.testing.assert_close(one.losses(views, output, 0)["feature"], distances.mean())


def test_a_teacher_answers_to_the_mirror_image_too(trainer):
    one = trainer("teacher=parent", "losses.distillation=1.0", "losses.reweight=false", "views.shrunk=0")
    views = one.views(0)
    output = made_output(one.network, views)
    with torch.no_grad():
        looks = [one.teachers[0](faces) for faces in (views.faces, views.faces.flip(-1))]
    assert not torch.allclose(*looks)
    expected = distillation_loss(output.logits, (looks[0] + looks[1]) / 2, temperature=2.0)
    torch.testing.assert_close(one.losses(views, output, 0)["distillation"], expected)


def test_several_teachers_answer_as_one(trainer):
    answers = ["losses.feature=0.0", "losses.perceptual=0.0", "losses.distillation=1.0", "losses.reweight=false"]
    one = trainer("teacher=['parent', 'compact']", *answers, "views.shrunk=0")
    views = one.views(0)
    output = made_output(one.network, views)
    with torch.no_grad():
        looks = [teacher(faces) for teacher in one.teachers for faces in (views.faces, views.faces.flip(-1))]
    assert len(looks) == 4 and not torch.allclose(looks[0], looks[2])
    expected = distillation_loss(output.logits, sum(looks) / 4, temperature=2.0)
    torch.testing.assert_close(one.losses(views, output, 0)["distillation"], expected)


def test_faces_that_are_likely_to_be_misread_weigh_more(trainer):
    one = trainer("losses.feature=1.0", "views.shrunk=1")
    views = one.views(0)
    output = made_output(one.network, views)
    found = one.losses(views, output, 0)["feature"]
    right = output.logits[14:].softmax(1)[torch.arange(14), views.labels[14:]]
    distances = (output.lifted[14:] - output.lifted[:14]).square().sum((1, 2, 3))
    torch.testing.assert_close(found, ((1.5 - right) ** 2 * distances).mean())


@pytest.mark.parametrize(
    "name", ["classification", "feature", "attention", "perceptual", "distillation", "adversarial"]
)
def test_a_coefficient_of_zero_leaves_a_loss_out(trainer, name):
    everything = ("losses.adversarial=0.1", "losses.attention=1.0")
    all_of_them = trainer(*everything)
    views = all_of_them.views(0)
    output = made_output(all_of_them.network, views)
    names = set(all_of_them.losses(views, output, 0))
    assert names == {"size", "classification", "feature", "attention", "perceptual", "distillation", "adversarial"}
    assert set(trainer(*everything, f"losses.{name}=0.0").losses(views, output, 0)) == names - {name}


@pytest.mark.parametrize(("step", "share"), [(0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)])
def test_the_generator_feels_the_discriminator_by_and_by(trainer, step, share):
    at_once, ramped = trainer(*GAN), trainer(*GAN, "losses.adversarial_ramp=3")
    views = at_once.views(0)
    output = made_output(at_once.network, views)
    full, part = (one.losses(views, output, step)["adversarial"].item() for one in (at_once, ramped))
    assert part == pytest.approx(share * full, rel=1e-5)
    assert full != 0


def test_two_processes_mix_the_features_that_one_would(trainer):
    def drawn(one, views):
        taken = []
        one.critic.loss = SimpleNamespace(
            discriminator_loss=lambda critic, hr, sr, weights, shares: taken.append(shares) or critic(sr).mean(),
            generator_loss=lambda critic, hr, sr, weights: critic(sr).mean(),
        )
        one.losses(views, made_output(one.network, views), 4)
        return taken[0]

    alone = trainer(*GAN)
    whole = drawn(alone, alone.views(4))
    halves = []
    for rank in (0, 1):
        one = as_process(trainer(*GAN), rank)
        views = one.views(4)
        one.critic.fabric = SimpleNamespace(**vars(one.fabric), all_reduce=lambda values: values)
        halves.append(drawn(one, views).unflatten(0, (2, 7)))
    assert torch.equal(torch.cat(halves, 1).flatten(), whole)


# Steps


def test_a_fixed_extractor_and_head_stay_as_they_were_while_the_rest_learns(trainer):
    one = trainer(*FIXED, "losses.feature=0.1")
    network = one.network
    fixed = state_of(network.stem, network.stages, network.head)
    learning = {"uplift": state_of(network.uplift), "size": state_of(network.effective_size)}
    taught = state_of(*one.teachers)
    for step in range(3):
        one.train_step(step)
    one.validate()
    average = one.average.state_dict()
    kept = [average[name] for name in network.state_dict() if name.startswith(("stem.", "stages.", "head."))]
    for found in (state_of(network.stem, network.stages, network.head), kept):
        assert all(torch.equal(before, after) for before, after in zip(fixed, found, strict=True))
    assert all(torch.equal(before, after) for before, after in zip(taught, state_of(*one.teachers), strict=True))
    for name, part in (("uplift", network.uplift), ("size", network.effective_size)):
        after = state_of(part)
        assert all(not torch.equal(*pair) for pair in zip(learning[name], after, strict=True)), name


def test_every_part_of_a_trained_extractor_learns_and_the_losses_fall(trainer):
    quickly = ["optimizer.learning_rate=2e-2", "loop.max_steps=40", "views.max_factor=3.0"]
    one = trainer(*UNCHANGED, *quickly)
    before = {name: value.clone() for name, value in one.network.named_parameters()}
    history = [one.train_step(step) for step in range(40)]
    assert all(not torch.equal(value, before[name]) for name, value in one.network.named_parameters())
    for name in ("classification", "size"):
        first, last = (np.mean([losses[name] for losses in part]) for part in (history[:5], history[-5:]))
        assert last < 0.8 * first, name


def test_validation_measures_the_average_and_leaves_the_network_as_it_is(trainer, faces):
    one = trainer()
    one.train_step(0)
    before = state_of(one.network)
    figures = one.validate()
    assert all(torch.equal(*pair) for pair in zip(before, state_of(one.network), strict=True))
    assert set(figures) == {"accuracy_x1", "accuracy_x2", "accuracy_x4", "accuracy_x8", "size_error"}
    with torch.no_grad(), one.average.applied_to(one.network):
        output = one.network.eval()(BatchDegrader(16)(faces.pixels[:, None].float(), faces.heights.clamp(max=16)))
    assert figures["accuracy_x1"] == pytest.approx((output.argmax(1) == faces.labels).float().mean().item())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_state_put_back_goes_on_as_if_nothing_had_happened(trainer, optimizer):
    settings = ["losses.adversarial=0.1", f"optimizer.name={optimizer}", *POOR_CAMERA]
    one = trainer(*settings)
    for step in range(2):
        one.train_step(step)
    again = trainer(*settings)
    again.load_state_dict(copy.deepcopy(one.state_dict()))
    assert again.train_step(2) == one.train_step(2)
    assert all(torch.equal(*pair) for pair in zip(state_of(one.network), state_of(again.network), strict=True))


def test_an_output_is_made_of_features_alone(trainer):
    one = trainer()
    views = one.views(0)
    with torch.no_grad():
        whole = one.network.eval().analyse(views.faces)
        lifted = one.network.lift(*one.network.extract(views.faces))
    for field in dataclasses.fields(CompactOutput):
        assert torch.equal(getattr(whole, field.name), getattr(lifted, field.name))
