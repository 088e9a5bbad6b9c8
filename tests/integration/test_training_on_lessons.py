"""Training on lessons: what teachers see in the same views, asked once."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fsrfer.recipes.schema import changed, save_recipe
from fsrfer.training.build import named_network
from fsrfer.training.classifier import network_plan
from fsrfer.training.compute import open_fabric
from fsrfer.training.lessons import Lessons
from fsrfer.training.loop import Paused
from support.tiny_recipes import tiny_classifier
from support.training_commands import losses, trained
from support.training_parts import tiny_faces

FOLLOWING = tiny_classifier("networks.second.features=30.0", "networks.second.lessons=3")
SECOND = "networks/second"

TWO_PROCESSES = """
import sys
from pathlib import Path
from fsrfer.recipes.schema import load_recipe, shortened
from fsrfer.training.classifier import Given, train_classifier
from fsrfer.training.compute import open_fabric
recipe, faces, run = sys.argv[1:]
train_classifier(open_fabric(2, 1, "32-true"), shortened(load_recipe(recipe), 6), {"rafdb": Path(faces)}, Path(run), Given())
"""


@pytest.fixture(scope="module")
def finished(fabric, rafdb, tmp_path_factory):
    """A run whose second network followed the features of the first."""
    return trained(fabric, FOLLOWING, rafdb, tmp_path_factory.mktemp("following"))


def test_a_network_that_followed_features_is_like_any_other(finished):
    told = losses(finished / SECOND, "classifier")
    assert told[1, "features"] > 0
    assert told[1, "distillation"] > 0
    assert not (finished / SECOND / "lessons").exists()
    assert not [name for name in load_file(finished / SECOND / "model.safetensors") if "to_teacher" in name]


def test_lessons_that_a_killed_run_left_behind_go_when_it_is_resumed(fabric, finished, rafdb):
    left = finished / SECOND / "lessons"
    left.mkdir()
    (left / "00000.safetensors").write_bytes(b"left")
    trained(fabric, FOLLOWING, rafdb, finished)
    assert not left.exists()


def test_features_come_nearer_the_teachers(finished):
    told = losses(finished / SECOND, "classifier")
    assert told[6, "features"] < told[1, "features"]


def test_lessons_hold_what_the_first_teacher_sees_and_what_all_answer(fabric, tmp_path):
    first, second = teachers = [named_network(FOLLOWING, name) for name in ("first", "second")]
    for teacher in teachers:
        torch.nn.init.normal_(teacher.head.weight)
    told = {}
    for name, taught_by in {"first": [first], "second": [second], "both": teachers}.items():
        lessons = Lessons(
            fabric, network_plan(FOLLOWING, "first").views, tiny_faces(), taught_by, 4, 1, tmp_path / name
        )
        lessons.make_all([0])
        told[name] = lessons.at(0, 0).same
        assert told[name].features.shape == (14, lessons.channels, 4, 4)
    assert torch.equal(told["both"].features, told["first"].features)
    assert not torch.equal(told["first"].features, told["second"].features)
    torch.testing.assert_close(told["both"].logits, (told["first"].logits + told["second"].logits) / 2)
    assert (told["first"].logits - told["second"].logits).abs().min() > 0


def test_lessons_without_features_hold_answers_alone(fabric, tmp_path):
    recipe = tiny_classifier("networks.second.lessons=2")
    teacher = named_network(recipe, "first")
    plan = network_plan(recipe, "second").views
    lessons = Lessons(fabric, plan, tiny_faces(), [teacher], 0, 1, tmp_path)
    lessons.make_all([0])
    lesson = lessons.at(0, 0)
    assert lesson.same.features is None
    assert load_file(next(tmp_path.glob("*.safetensors"))).keys() == {
        "faces", "log2_px", "votes", "labels", "weights", "same",
    }  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(lesson.same.logits, teacher.eval()(lesson.views.faces), atol=1e-4, rtol=1e-4)


def test_a_network_learns_from_answers_alone(fabric, rafdb, tmp_path):
    recipe = tiny_classifier("networks.second.lessons=3")
    told = losses(trained(fabric, recipe, rafdb, tmp_path) / SECOND, "classifier")
    assert told[6, "distillation"] < told[1, "distillation"]
    assert (1, "features") not in told


def test_lessons_are_made_in_sittings_too_and_the_end_is_the_same(finished, rafdb, tmp_path):
    pauses = []
    while not pauses or pauses[-1]:
        try:
            trained(open_fabric(1, 1, "32-true", minutes=1e-6), FOLLOWING, rafdb, tmp_path)
            pauses.append("")
        except Paused as paused:
            pauses.append(str(paused))
    assert any("1 of 3 lessons" in said for said in pauses)
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path, finished))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_networks_that_are_taught_alike_share_answers_and_lessons(fabric, rafdb, tmp_path, monkeypatch):
    third = FOLLOWING.networks["second"].model_copy(update={"seed": 12})
    recipe = FOLLOWING.model_copy(update={"networks": {**FOLLOWING.networks, "third": third}})
    made, make_all = [], Lessons.make_all
    monkeypatch.setattr(Lessons, "make_all", lambda self, missing: make_all(self, made.append(missing) or missing))
    trained(fabric, recipe, rafdb, tmp_path)
    assert made == [[0, 1, 2], []]
    assert (tmp_path / SECOND / "answers").exists()
    assert not (tmp_path / "networks/third/answers").exists()
    second, third = (losses(tmp_path / f"networks/{name}", "classifier") for name in ("second", "third"))
    assert second[1, "features"] != third[1, "features"]


def test_teachers_whose_answers_are_not_followed_are_not_asked_for_them(fabric, rafdb, tmp_path, monkeypatch):
    recipe = tiny_classifier(
        "networks.student.features=30.0", "networks.student.lessons=2", taught={"a": [], "b": [], "student": ["a", "b"]}
    )
    alone = changed(recipe, ["networks.student.distillation=0.0"])
    asked, make_all = [], Lessons.make_all
    monkeypatch.setattr(
        Lessons, "make_all", lambda self, missing: make_all(self, asked.append(len(self.teachers)) or missing)
    )
    for one, folder in ((recipe, "both"), (alone, "alone")):
        trained(fabric, one, rafdb, tmp_path / folder, steps=2)
    assert asked == [2, 1]


def test_networks_that_are_taught_otherwise_have_lessons_of_their_own():
    second = FOLLOWING.networks["second"]
    wider_batch = second.model_copy(update={"loop": second.loop.model_copy(update={"batch_size": 7})})
    finer = second.model_copy(update={"architecture": second.architecture.model_copy(update={"stem_stride": 1})})
    unanswered = second.model_copy(update={"distillation": 0.0})
    networks = {**FOLLOWING.networks, "third": wider_batch, "fourth": finer, "fifth": finer, "sixth": unanswered}
    recipe = FOLLOWING.model_copy(update={"networks": networks})
    assert [recipe.first_taught_like(name) for name in networks] == [
        "first",
        "second",
        "third",
        "fourth",
        "fourth",
        "sixth",
    ]


def test_two_processes_follow_as_one(finished, rafdb, tmp_path):
    script, recipe, run = tmp_path / "two.py", tmp_path / "following.toml", tmp_path / "run"
    script.write_text(TWO_PROCESSES)
    save_recipe(FOLLOWING, recipe)
    words = [sys.executable, script, recipe, rafdb, run]
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    one, two = (losses(folder / SECOND, "classifier") for folder in (finished, run))
    steps = {key: value for key, value in one.items() if "accuracy" not in key[1]}
    assert {key: two[key] for key in steps} == pytest.approx(steps, rel=2e-3, abs=1e-4)
