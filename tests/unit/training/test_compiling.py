"""Networks by torch.compile. The backend that only traces stands for the one that writes programs, which takes a minute."""

import pytest
import torch

from fsrfer.training.checkpoint import state_of
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compute import compiles, open_fabric
from fsrfer.training.views import ViewPlan
from support.tiny_recipes import tiny_classifier
from support.training_parts import tiny_faces

RECIPE = tiny_classifier()
SETTINGS = RECIPE.networks["second"]
FACES = tiny_faces()


def trainer(machine):
    from fsrfer.training.build import named_network

    views = ViewPlan(1, 14, RECIPE.views, RECIPE.camera, RECIPE.augmentation)
    plan = ClassifierPlan(1, views, SETTINGS.optimizer, SETTINGS.loop, SETTINGS.size_loss, SETTINGS.distillation)
    teacher = named_network(RECIPE, "first").eval().requires_grad_(False)
    return ClassifierTrainer(machine, plan, named_network(RECIPE, "second"), FACES, FACES, [teacher])


def test_a_compiled_network_trains_as_a_plain_one_and_keeps_its_names(fabric):
    machine = open_fabric(1, 1, "32-true")
    machine.backend = "eager"
    plain, quick = trainer(fabric), trainer(machine)
    assert quick.compute is not quick.network.analyse
    for step in range(3):
        expected, found = plain.train_step(step), quick.train_step(step)
        assert {name: value.item() for name, value in found.items()} == pytest.approx(
            {name: value.item() for name, value in expected.items()}, rel=1e-4
        )
    kept, ours = (state_of(one.parts) for one in (plain, quick))
    for part in ("network", "average"):
        assert ours[part].keys() == kept[part].keys()
        for name, value in kept[part].items():
            torch.testing.assert_close(ours[part][name], value, rtol=1e-3, atol=1e-4)


def test_networks_are_compiled_where_there_is_a_gpu_or_someone_asks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [compiles(word) for word in ("auto", "on", "off")] == [False, True, False]
    assert open_fabric(1, 1, "32-true", "on").backend == "inductor"
    assert open_fabric(1, 1, "32-true").backend is None
