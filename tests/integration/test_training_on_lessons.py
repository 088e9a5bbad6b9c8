"""Training on lessons: what a teacher sees in the same views, asked once."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from fsrfer.recipes.schema import save_recipe
from fsrfer.recognition.model import ExpressionModel
from support.tiny_recipes import tiny_classifier
from support.training_commands import command, fsrfer, here, losses

FOLLOWING = ["networks.second.distillation=0.0", "networks.second.features=30.0", "networks.second.lessons=3"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The file of a recipe whose second network follows the features of the first."""
    path = tmp_path_factory.mktemp("recipe") / "following.toml"
    save_recipe(tiny_classifier(*FOLLOWING), path)
    return path


@pytest.fixture(scope="module")
def finished(recipe, rafdb, tmp_path_factory):
    """A run of it."""
    run = tmp_path_factory.mktemp("following") / "run"
    assert here(command(recipe, rafdb, run)) == 0
    return run


def test_a_network_that_followed_features_is_like_any_other(finished):
    second = finished / "networks" / "second"
    assert losses(second, "classifier")[1, "features"] > 0
    assert not (second / "lessons").exists()
    assert not [name for name in load_file(second / "model.safetensors") if "to_teacher" in name]
    assert ExpressionModel(finished / "model.onnx").info.training["networks"]["second"]["teachers"] == ["first"]


def test_features_come_nearer_the_teachers(finished):
    told = losses(finished / "networks" / "second", "classifier")
    assert told[6, "features"] < told[1, "features"]


def test_lessons_are_made_in_sittings_too_and_the_end_is_the_same(recipe, finished, rafdb, tmp_path, capsys):
    run, codes, told = tmp_path / "run", [], ""
    while not codes or codes[-1] == 75:
        codes.append(here(command(recipe, rafdb, run, "--minutes", "1e-6")))
        told += capsys.readouterr().err
    assert codes[-1] == 0
    assert "1 of 3 lessons; 1e-06 minutes are over" in told
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (run, finished))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_two_processes_follow_as_one(recipe, finished, rafdb, tmp_path):
    run = tmp_path / "run"
    done = fsrfer(command(recipe, rafdb, run, "--devices", "2"))
    assert done.returncode == 0, done.stderr
    one, two = (losses(folder / "networks" / "second", "classifier") for folder in (finished, run))
    steps = {key: value for key, value in one.items() if "accuracy" not in key[1]}
    assert {key: two[key] for key in steps} == pytest.approx(steps, rel=2e-3, abs=1e-4)
    assert json.loads((run / "origin.json").read_text("utf-8")) == json.loads(
        (finished / "origin.json").read_text("utf-8")
    )
