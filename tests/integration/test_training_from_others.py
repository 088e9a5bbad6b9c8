"""Training from what is there already: a start, a teacher of another recipe, finished networks."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import unpack_model
from fsrfer.errors import TrainingError
from fsrfer.recipes.schema import load_recipe, save_recipe, shortened
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training.classifier import Given, describe, train_classifier
from fsrfer.training.finished import load_predictor
from support.made_faces import pattern
from support.tiny_recipes import tiny_classifier
from support.toy_model import toy_bytes
from support.training_commands import command, here, losses, refusal, trained

STAYS_AS_IT_STARTS = [f"networks.{name}.optimizer.learning_rate=1e-12" for name in ("first", "second")]
FACES = [pattern(label, 16, np.random.default_rng(label)) for label in range(7)]


def same_weights(first, second):
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (first, second))
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def require_same_start(run, other):
    """Weights that no norm was folded into are the very same, and so are the answers but for what export rounds."""
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (run, other))
    for name in ("first.head.weight", "others.0.head.weight", "first.effective_size.layers.0.weight"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-7)
    # A step of training moves the norms' statistics.
    np.testing.assert_allclose(load_predictor(run)(FACES), load_predictor(other)(FACES), atol=0.01)


def exported(run):
    """A run's model file, as a start or a teacher is given from Python."""
    return "mine.onnx", (run / "model.onnx").read_bytes()


def test_a_finished_run_may_be_the_start(tiny, finished_tiny, rafdb, tmp_path):
    run = tmp_path / "run"
    assert here(command(tiny, rafdb, run, "--init", finished_tiny, steps=1, changes=STAYS_AS_IT_STARTS)) == 0
    require_same_start(run, finished_tiny)
    assert "a finished run, SHA-256" in ExpressionModel(run / "model.onnx").info.training["origin"]["start"]


def test_an_exported_model_may_be_the_start(fabric, finished_tiny, rafdb, tmp_path):
    recipe = tiny_classifier(*STAYS_AS_IT_STARTS)
    require_same_start(trained(fabric, recipe, rafdb, tmp_path, steps=1, start=exported(finished_tiny)), finished_tiny)


TWO_PROCESSES = """
import sys
from pathlib import Path
from fsrfer.recipes.schema import load_recipe, shortened
from fsrfer.training.classifier import Given, train_classifier
from fsrfer.training.compute import open_fabric
recipe, faces, model, run = sys.argv[1:]
start = ("mine.onnx", Path(model).read_bytes())
settings = shortened(load_recipe(recipe), 3)
train_classifier(open_fabric(2, 1, "32-true"), settings, {"rafdb": Path(faces)}, Path(run), Given(start=start))
"""


def test_two_processes_start_from_an_exported_model_alike(tiny, finished_tiny, fabric, rafdb, tmp_path):
    script, model = tmp_path / "two.py", finished_tiny / "model.onnx"
    script.write_text(TWO_PROCESSES)
    words = [sys.executable, script, tiny, rafdb, model, tmp_path / "two"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    trained(fabric, load_recipe(str(tiny)), rafdb, tmp_path / "one", steps=3, start=exported(finished_tiny))
    one, two = (losses(tmp_path / name / "networks" / "first", "classifier") for name in ("one", "two"))
    steps = {key: value for key, value in one.items() if "accuracy" not in key[1]}
    assert {key: two[key] for key in steps} == pytest.approx(steps, rel=2e-3, abs=1e-4)


def test_a_model_is_unpacked_into_runs_of_its_networks_that_join_to_it_again(
    tiny, finished_tiny, rafdb, tmp_path, monkeypatch, capsys
):
    model, recipe = finished_tiny / "model.onnx", finished_tiny / "recipe.toml"
    told = ["unpack_model.py", str(model), "--recipe", str(recipe), "--data", f"rafdb={rafdb}"]
    monkeypatch.setattr("sys.argv", [*told, "-o", str(tmp_path / "networks")])
    assert unpack_model.main() == 0
    runs = capsys.readouterr().out.split()
    with pytest.raises(TrainingError, match="first: holds a run already"):
        unpack_model.main()
    assert here(command(tiny, rafdb, tmp_path / "run", "--members", *runs)) == 0
    names = ["first.head.weight", "others.0.head.weight"]
    ours, theirs = (load_file(run / "model.safetensors") for run in (tmp_path / "run", finished_tiny))
    assert all(np.array_equal(ours[name], theirs[name]) for name in names)
    # Norms have the statistics of other faces than the training's last ones.
    np.testing.assert_allclose(load_predictor(tmp_path / "run")(FACES), load_predictor(finished_tiny)(FACES), atol=0.01)


@pytest.fixture(scope="module")
def student(tiny, tmp_path_factory):
    """The file of a recipe of one network that learns from the tiny recipe's."""
    path = tmp_path_factory.mktemp("student") / "student.toml"
    save_recipe(tiny_classifier(taught={"student": [str(tiny)]}), path)
    return path


@pytest.fixture(scope="module")
def taught(student, rafdb, tmp_path_factory):
    """A run of it whose teacher was trained first."""
    run = tmp_path_factory.mktemp("taught") / "run"
    assert here(command(student, rafdb, run)) == 0
    return run


def test_a_teacher_of_another_recipe_is_trained_first_and_no_longer_than_asked_for(taught, tiny, finished_tiny):
    teacher = taught / "teachers" / "tiny"
    assert same_weights(teacher, finished_tiny)
    assert load_recipe(str(tiny)).networks["first"].loop.max_steps > 6
    assert max(step for step, _ in losses(teacher / "networks" / "first", "classifier")) == 6
    assert losses(taught / "networks" / "student", "classifier")[1, "distillation"] > 0
    origin = ExpressionModel(taught / "model.onnx").info.training["origin"]
    assert origin["teachers"] == {str(tiny): "trained first"}


def test_a_finished_run_or_a_model_file_may_stand_for_the_teacher(
    taught, tiny, student, finished_tiny, fabric, rafdb, tmp_path, capsys
):
    run, file = (
        trained(fabric, load_recipe(str(student)), rafdb, tmp_path / name, teachers={str(tiny): teacher})
        for name, teacher in (("run", finished_tiny), ("file", exported(finished_tiny)))
    )
    assert same_weights(run, taught)
    assert not (run / "teachers").exists()
    by_run, by_file = (losses(folder / "networks" / "student", "classifier") for folder in (run, file))
    assert by_file[1, "distillation"] == pytest.approx(by_run[1, "distillation"], rel=0.2)  # its kernels are in 8 bits
    assert by_file[1, "size"] == by_run[1, "size"]
    assert "begun with teachers" in refusal(command(student, rafdb, run, "--resume"), capsys)


def test_a_teacher_is_validated_on_its_students_faces(fabric, tiny, rafdb, tmp_path):
    elsewhere = tmp_path / "elsewhere.toml"
    save_recipe(load_recipe(str(tiny), ["validation=ferplus"]), elsewhere)
    run = trained(fabric, tiny_classifier(taught={"student": [str(elsewhere)]}), rafdb, tmp_path / "run", steps=1)
    origins = [
        json.loads((folder / "origin.json").read_text("utf-8")) for folder in (run, run / "teachers" / "elsewhere")
    ]
    assert origins[0]["data"] == origins[1]["data"]


def test_blended_labels_change_what_is_learnt_from_the_first_step_on(fabric, finished_tiny, rafdb, tmp_path):
    recipe = tiny_classifier("networks.second.label_share=0.0")
    run = trained(fabric, recipe, rafdb, tmp_path, members={"first": finished_tiny / "networks" / "first"})
    votes, blended = (losses(folder / "networks" / "second", "classifier") for folder in (run, finished_tiny))
    assert votes[1, "classification"] != blended[1, "classification"]
    assert votes[1, "size"] == blended[1, "size"]
    assert votes[1, "distillation"] == blended[1, "distillation"]


def test_finished_networks_may_stand_for_the_recipes(tiny, finished_tiny, rafdb, tmp_path, capsys):
    members, run = [finished_tiny / "networks" / name for name in ("first", "second")], tmp_path / "run"
    assert here(command(tiny, rafdb, run, "--members", *members)) == 0
    assert same_weights(run, finished_tiny)
    assert ExpressionModel(run / "model.onnx").info.training["origin"]["members"].keys() == {"first", "second"}
    assert "begun with members first" in refusal(command(tiny, rafdb, run, "--resume"), capsys)


def test_finished_networks_may_stand_for_the_first_ones_alone(tiny, finished_tiny, rafdb, tmp_path):
    run = tmp_path / "run"
    assert here(command(tiny, rafdb, run, "--members", finished_tiny / "networks" / "first")) == 0
    assert same_weights(run, finished_tiny)


def test_a_network_may_start_from_one_above_it(fabric, finished_tiny, rafdb, tmp_path):
    recipe = tiny_classifier(
        "networks.third.start=second",
        "networks.third.seed=99",
        "networks.third.optimizer.learning_rate=1e-12",
        taught={"first": [], "second": ["first"], "third": ["first"]},
    )
    members = {name: finished_tiny / "networks" / name for name in ("first", "second")}
    finished = train_classifier(fabric, shortened(recipe, 1), {"rafdb": rafdb}, tmp_path, Given(members=members), 1)
    second, third = (load_file(tmp_path / "networks" / name / "model.safetensors") for name in ("second", "third"))
    np.testing.assert_allclose(third["stem.0.weight"], second["stem.0.weight"], atol=1e-7)
    told = describe(finished).training["networks"]
    assert told["third"]["start"] == "second"
    assert "start" not in told["second"]


def test_a_network_may_start_from_one_of_another_recipe_that_teaches_it(
    fabric, tiny, student, finished_tiny, rafdb, tmp_path
):
    words = ["networks.student.start=second", "networks.student.optimizer.learning_rate=1e-12"]
    recipe, teachers = load_recipe(str(student), words), {str(tiny): finished_tiny}
    run = trained(fabric, recipe, rafdb, tmp_path, steps=1, teachers=teachers)
    first, second = (
        load_file(folder / "model.safetensors")
        for folder in (finished_tiny / "networks" / "second", run / "networks" / "student")
    )
    np.testing.assert_allclose(second["stem.0.weight"], first["stem.0.weight"], atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("networks.student.start=third", "student starts from third, which none of its teachers has"),
        ("networks.student.architecture.stem=6", "student starts from second, of another architecture"),
    ],
)
def test_a_start_that_does_not_fit_is_told(tiny, student, rafdb, tmp_path, capsys, change, message):
    changes = ["networks.student.start=second", change]
    assert message in refusal(command(student, rafdb, tmp_path / "run", changes=changes), capsys)
    assert not (tmp_path / "run").exists()


def test_no_teacher_is_trained_for_networks_that_are_there(taught, student, fabric, rafdb, tmp_path):
    member = {"student": taught / "networks" / "student"}
    run = trained(fabric, load_recipe(str(student)), rafdb, tmp_path / "run", members=member)
    assert same_weights(run, taught)
    assert not (run / "teachers").exists()
    assert json.loads((run / "origin.json").read_text("utf-8"))["teachers"] == {}


def test_what_cannot_be_used_is_refused_before_a_run_is_begun(
    tiny, tiny_paper, student, finished_tiny, rafdb, tmp_path, capsys
):
    damaged, picture, toy = (tmp_path / f"{name}.onnx" for name in ("damaged", "picture", "toy"))
    for path, content in ((damaged, toy_bytes()[:-9] + b"123456789"), (picture, b"no model"), (toy, toy_bytes())):
        path.write_bytes(content)
    run, model, first = tmp_path / "run", finished_tiny / "model.onnx", finished_tiny / "networks" / "first"
    for recipe, more, message in [
        (tiny, ["--init", damaged], f"{damaged}: the file is damaged"),
        (tiny, ["--init", picture], f"{picture}: not an fsrfer model"),
        (tiny, ["--init", tmp_path / "none.onnx"], "no model there"),
        (tiny, ["--init", tmp_path], f"{tmp_path}: no finished run there"),
        (tiny, ["--init", toy], f"{toy}: it holds 0 networks, where 2 are needed"),
        (tiny_paper, ["--init", model], "recipe paper-small starts from scratch alone"),
        (tiny, ["--teacher", model], "recipe tiny has no teacher of another recipe"),
        (student, ["--teacher", model, model], f"one each is needed for {tiny}, not 2"),
        (student, ["--teacher", first], f"{first}: its networks are not those of recipe tiny"),
        (
            student,
            ["--set", "networks.student.teachers=['default']"],
            "its teacher default takes grey faces of 48 pixels",
        ),
        (tiny, ["--members", first, first, first], "--members: one each is needed for first, second, not 3"),
        (tiny, ["--members", first, first], f"{first}: not a run of tiny's network second"),
        (tiny_paper, ["--members", first], "recipe paper-small has no networks to take instead"),
    ]:
        assert message in refusal(command(recipe, rafdb, run, *more), capsys)
        assert not run.exists()
