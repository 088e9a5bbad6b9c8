import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fsrfer.degradation.resize import BatchDegrader
from fsrfer.losses import classification_loss, distillation_loss
from fsrfer.networks.covpool import CovPoolExtractor, CovPoolHead, CovPoolModel
from fsrfer.networks.residual import ResidualNet
from fsrfer.recipes.sections import ViewSettings
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.teaching import teacher_logits
from fsrfer.training.views import ViewPlan
from support.tiny_recipes import tiny_classifier
from support.training_parts import (
    NO_CAMERA,
    POOR_CAMERA,
    STRONG,
    UNCHANGED,
    require_resumed_alike,
    same,
    state,
    tiny_faces,
)

FACES = tiny_faces()
SETTINGS = tiny_classifier().networks["first"]


def residual_net(seed=0):
    torch.manual_seed(seed)
    return ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,), dropout=0.2, uplift_hidden=4, uplift_blocks=1)


def covpool():
    torch.manual_seed(0)
    return CovPoolModel(CovPoolExtractor(1, (4, 4, 6, 6, 8, 8), 4), CovPoolHead(16, (8, 8)))


@pytest.fixture
def trainer(fabric):
    def make(
        network=None, *, teachers=(), optimizer=(), steps=6, camera=POOR_CAMERA, changes=STRONG, factor=8.5, **plan
    ):
        views = ViewPlan(1, 14, ViewSettings(sharp_share=0.25, max_factor=factor), camera, changes)
        settings = SETTINGS.optimizer.model_copy(update=dict(optimizer))
        loop = SETTINGS.loop.model_copy(update={"max_steps": steps})
        described = ClassifierPlan(1, views, settings, loop, **plan)
        return ClassifierTrainer(fabric, described, network or residual_net(), FACES, FACES, teachers)

    return make


def analysed(one):
    """The views of the first step, and what the network makes of them."""
    views = one.views.batch(0)
    torch.manual_seed(0)
    return views, one.analyse(views.faces)


def losses(one):
    torch.manual_seed(0)  # dropout
    return one.losses(0)


def test_labels_teach_by_cross_entropy_alone(trainer):
    one = trainer(covpool())
    views, output = analysed(one)
    found = losses(one)
    assert set(found) == {"classification"}
    torch.testing.assert_close(found["classification"], classification_loss(output.logits, views.votes))
    assert "size_error" not in one.validate()


def test_the_effective_size_is_learnt_in_octaves(trainer):
    one = trainer(size_loss=0.5)
    views, output = analysed(one)
    expected = 0.5 * F.smooth_l1_loss(output.log2_px, views.log2_px)
    torch.testing.assert_close(losses(one)["size"], expected)


def test_a_network_that_does_not_estimate_the_size_cannot_learn_it(trainer):
    with pytest.raises(ValueError, match="does not estimate the effective size"):
        trainer(covpool(), size_loss=0.5).losses(0)


def test_teachers_are_followed_in_what_they_answer_to_the_same_views(trainer, fabric):
    teachers = [residual_net(seed).eval() for seed in (1, 2)]
    one = trainer(teachers=teachers, distillation=0.5, temperature=3.0)
    views, output = analysed(one)
    taught = teacher_logits(fabric, teachers, views.faces)
    expected = 0.5 * distillation_loss(output.logits, taught, temperature=3.0)
    torch.testing.assert_close(losses(one)["distillation"], expected)
    before = state(*teachers)
    one.train_step(0)
    assert same(before, state(*teachers))


def test_every_part_learns_and_the_losses_fall(trainer):
    quickly = {"learning_rate": 2e-2}
    one = trainer(size_loss=0.1, optimizer=quickly, steps=40, camera=NO_CAMERA, changes=UNCHANGED, factor=3.0)
    before = {name: value.clone() for name, value in one.network.named_parameters()}
    history = [one.train_step(step) for step in range(40)]
    assert all(not torch.equal(value, before[name]) for name, value in one.network.named_parameters())
    for name in ("classification", "size"):
        first, last = (np.mean([row[name] for row in part]) for part in (history[:5], history[-5:]))
        assert last < 0.8 * first, name


def test_validation_measures_the_average_and_leaves_the_network_as_it_is(trainer):
    one = trainer(size_loss=0.1)
    for step in range(3):
        one.train_step(step)
    before = state(one.network)
    figures = one.validate()
    assert same(before, state(one.network))
    assert set(figures) == {"accuracy_x1", "accuracy_x2", "accuracy_x4", "accuracy_x8", "size_error"}
    whole = FACES.heights.clamp(max=16)
    with torch.no_grad():
        output = one.average.module.eval().analyse(BatchDegrader(16)(FACES.pixels[:, None].float(), whole))
    assert figures["accuracy_x1"] == pytest.approx((output.logits.argmax(1) == FACES.labels).float().mean().item())


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_checkpoint_goes_on_as_if_nothing_had_happened(trainer, tmp_path, name):
    settings = {"optimizer": {"name": name}, "size_loss": 0.1}
    require_resumed_alike(trainer(**settings), trainer(residual_net(seed=9), **settings), tmp_path)
