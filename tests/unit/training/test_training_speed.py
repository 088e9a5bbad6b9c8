"""The benchmark of training speed trains what a recipe says, its teachers among it."""

import pytest
from torch import nn

import training_speed
from fsrfer.recipes.schema import save_recipe
from fsrfer.training.compute import open_fabric
from support.tiny_recipes import tiny_classifier


@pytest.fixture
def student(tmp_path):
    """A recipe whose network follows what the two networks of another recipe answer."""
    save_recipe(tiny_classifier(), tmp_path / "two.toml")
    return tiny_classifier(taught={"student": [str(tmp_path / "two.toml")]})


def test_teachers_of_another_recipe_are_asked_in_every_step(student, monkeypatch):
    asked = []
    untrained = training_speed._untrained

    def counted(recipe, name):
        teacher: nn.Module = untrained(recipe, name)
        teacher.register_forward_hook(lambda *_: asked.append(name))
        return teacher

    monkeypatch.setattr(training_speed, "_untrained", counted)
    fabric = open_fabric(1, 1, "32-true", "off")
    speed = training_speed.measured(fabric, student, "student", first=1, steps=2)
    (teacher,) = student.networks["student"].teachers
    assert asked == [teacher] * 6  # in three steps, of each view and its mirror image
    assert speed.batch == 14
    assert speed.steps_per_second > 0
    assert not speed.compiled
