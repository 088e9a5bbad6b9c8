"""Training a network that starts from another, or learns from what another answers."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from fsrfer.cli.main import main
from fsrfer.recipes.schema import load_recipe
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training.finished import load_predictor
from support.made_faces import pattern
from support.tiny_recipes import write_tiny_parent
from support.toy_model import toy_bytes
from support.training_commands import ANSWERS_ONLY, command, here, losses

STAYS_AS_IT_STARTS = ["extractor=fixed", "teacher=parent", "optimizer.learning_rate=1e-12", "losses.adversarial=0.0"]


@pytest.mark.parametrize("what", ["a run", "a model file"])
def test_a_finished_run_or_a_model_file_may_stand_for_the_parent(start, rafdb, tmp_path, what):
    init = start if what == "a run" else start / "model.onnx"
    run = tmp_path / "run"
    assert here(command("compact-small", rafdb, run, "--init", str(init), steps=1, changes=STAYS_AS_IT_STARTS)) == 0
    assert not (run / "networks").exists()
    faces = [pattern(label, 16, np.random.default_rng(label)) for label in range(7)]
    np.testing.assert_allclose(load_predictor(run)(faces), load_predictor(start)(faces), atol=1e-4)
    assert "SHA-256" in ExpressionModel(run / "model.onnx").info.training["origin"]


def test_a_model_of_another_recipe_does_not_stand_for_the_parent(start, rafdb, tmp_path, capsys):
    toy = tmp_path / "toy.onnx"
    toy.write_bytes(toy_bytes())
    write_tiny_parent(tmp_path / "wider.toml", "network.widths=[12]")
    wider = ["network.widths=[12]", f"parent={tmp_path / 'wider.toml'}"]
    for number, (init, changes, message) in enumerate(
        [
            (toy, [], f"{toy}: nothing where "),
            (start / "model.onnx", wider, "where stages.0.0.0.weight (12, 4, 3, 3) was expected"),
            (
                start,
                ["network.widths=[6]"],
                "the parent's stages.0.0.0.weight is (8, 4, 3, 3), not (6, 4, 3, 3) or less",
            ),
        ]
    ):
        capsys.readouterr()
        run = tmp_path / f"run-{number}"
        assert here(command("compact-small", rafdb, run, "--init", str(init), changes=changes)) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
        assert not run.exists()


def test_a_wider_network_can_follow_its_parents_answers(rafdb, tmp_path):
    answers = [*ANSWERS_ONLY, "teacher=parent", "network.widths=[12]", "losses.distillation=1.0"]
    assert here(command("compact-small", rafdb, tmp_path / "run", steps=2, changes=answers)) == 0
    assert losses(tmp_path / "run", "compact")[1, "distillation"] > 0


def test_refined_labels_change_what_is_learnt_from_the_first_step_on(start, rafdb, tmp_path):
    first = {}
    for share in (0.0, 0.5):
        run = tmp_path / f"run-{share}"
        given = command("compact-small", rafdb, run, "--init", str(start), steps=2, changes=[f"refined={share}"])
        assert here(given) == 0
        first[share] = losses(run, "compact")
    assert first[0.0].keys() == first[0.5].keys()
    assert first[0.0][1, "classification"] != first[0.5][1, "classification"]
    assert first[0.0][1, "size"] == first[0.5][1, "size"]


@pytest.fixture(scope="module")
def taught(rafdb, wide_teacher, tmp_path_factory):
    run = tmp_path_factory.mktemp("taught") / "run"
    changes = [*ANSWERS_ONLY, f"teacher={wide_teacher}"]
    assert here(command("compact-small", rafdb, run, steps=2, changes=changes)) == 0
    return run, changes


def test_a_teacher_of_another_recipe_is_trained_first(taught, wide_teacher):
    run, _ = taught
    networks = run / "networks"
    assert {path.parent.name for path in networks.glob("*/model.safetensors")} == {"parent", "wide"}
    assert load_recipe(str(networks / "wide" / "recipe.toml")).network.widths == [12]
    assert "a run of recipe" in (networks / "wide" / "origin.txt").read_text("utf-8")
    origin = ExpressionModel(run / "model.onnx").info.training["origin"]
    assert origin.endswith(f"taught by recipe {wide_teacher}, trained first")


def test_a_finished_run_or_a_model_file_may_stand_for_the_teacher(taught, rafdb, tmp_path, capsys):
    run, changes = taught
    given = ["--init", str(run / "networks" / "parent"), "--teacher", str(run / "networks" / "wide")]
    again = command("compact-small", rafdb, tmp_path / "again", *given, steps=2, changes=changes)
    assert here(again) == 0
    assert not (tmp_path / "again" / "networks").exists()
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "again", run))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    assert "taught by a run of recipe" in ExpressionModel(tmp_path / "again" / "model.onnx").info.training["origin"]
    capsys.readouterr()
    assert here([*again, "--resume", "--teacher", str(run / "networks" / "parent")]) == 2
    assert "give the same --init, --teacher and --members" in capsys.readouterr().err


def test_a_network_may_follow_its_parent_and_another_as_one(taught, start, rafdb, wide_teacher, tmp_path):
    wide, run = taught[0] / "networks" / "wide", tmp_path / "run"
    changes = [*ANSWERS_ONLY, f"teacher=['parent', '{wide_teacher}']", "refined=0.5"]
    given = ["--init", str(start), "--teacher", str(wide)]
    assert here(command("compact-small", rafdb, run, *given, steps=2, changes=changes)) == 0
    assert not (run / "networks").exists()
    assert ExpressionModel(run / "model.onnx").info.training["origin"].count("SHA-256") == 2
    alone = [*ANSWERS_ONLY, "teacher=parent", "refined=0.5"]
    assert here(command("compact-small", rafdb, tmp_path / "alone", *given[:2], steps=2, changes=alone)) == 0
    both, one = (losses(folder, "compact") for folder in (run, tmp_path / "alone"))
    assert both[1, "distillation"] != one[1, "distillation"]
    assert both[1, "classification"] != one[1, "classification"]
    assert both[1, "size"] == one[1, "size"]


def test_a_teacher_that_does_not_fit_is_refused_before_a_run_is_begun(start, rafdb, wide_teacher, tmp_path, capsys):
    leads_back = write_tiny_parent(
        tmp_path / "back.toml", f"teacher={tmp_path / 'back.toml'}", "losses.distillation=1.0"
    )
    for changes, more, message in [
        ([], ["--teacher", str(start)], "compact-small has no teacher of its own that a model could stand for"),
        (
            [*ANSWERS_ONLY, f"teacher={wide_teacher}", "losses.feature=1.0"],
            [],
            "makes other maps (network.widths [12] and .stem_stride 1, not [8] and 1), so only its answers can be followed",
        ),
        (
            [*ANSWERS_ONLY, f"teacher={wide_teacher}"],
            ["--teacher", str(start / "model.onnx")],
            "stages.0.0.0.weight (12, 4, 3, 3)",
        ),
        (["teacher=parent", "network.widths=[12]"], [], f"its teacher {rafdb / 'parent.toml'} makes other maps"),
        (["teacher=parent", "network.widths=[12]"], ["--init", str(start)], f"its teacher {start} makes other maps"),
        (["teacher=parent", "network.widths=[12]"], ["--init", str(start / "model.onnx")], "makes other maps"),
        ([*ANSWERS_ONLY, f"teacher={leads_back}"], [], "what it builds on leads back to"),
        ([*ANSWERS_ONLY, "teacher=paper-small"], [], "its teacher paper-small is not a compact network"),
        ([*ANSWERS_ONLY, "teacher=mixed"], [], "its teacher mixed takes grey faces of 48 pixels"),
        ([*ANSWERS_ONLY, "teacher="], [], "teacher.0: String should have at least 1 character"),
        (
            [*ANSWERS_ONLY, f"teacher=['parent', '{wide_teacher}']"],
            ["--teacher", str(start), str(start)],
            f"compact-small needs one model for each of {wide_teacher}, not 2",
        ),
        (
            [*ANSWERS_ONLY, f"teacher=['{wide_teacher}', 'mixed']"],
            ["--init", str(start)],
            "its teacher mixed takes grey faces of 48 pixels",
        ),
    ]:
        capsys.readouterr()
        assert here(command("compact-small", rafdb, tmp_path / "run", *more, changes=changes)) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "run").exists()


def test_a_recipe_that_is_its_own_ancestor_is_refused(rafdb, tmp_path, capsys):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    write_tiny_parent(first, f"parent={second}")
    write_tiny_parent(second, f"parent={first}")
    for recipe in (first, second):
        assert main(["train", str(recipe), "--data", f"rafdb={rafdb}", "-o", str(tmp_path / "run")]) == 2
        complaint = capsys.readouterr().err
        assert f"what it builds on leads back to {second if recipe == first else first}" in complaint
        assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_what_cannot_stand_for_a_parent_is_refused_before_a_run_is_begun(toy, rafdb, tmp_path, capsys):
    damaged, picture, empty = tmp_path / "damaged.onnx", tmp_path / "picture.onnx", tmp_path / "empty"
    damaged.write_bytes(toy_bytes()[:-9] + b"123456789")
    picture.write_bytes(b"no model")
    empty.mkdir()
    for recipe, init, message in [
        ("sharp-small", toy, "recipe sharp-small has no parent"),
        ("mixed", toy, "recipe mixed has no parent"),
        ("paper-small", toy, "recipe paper-small has no parent"),
        ("compact-small", damaged, f"{damaged}: the file is damaged"),
        ("compact-small", picture, f"{picture}: not an fsrfer model"),
        ("compact-small", tmp_path / "none.onnx", "no model there"),
        ("compact-small", empty, f"{empty}: no finished run there"),
    ]:
        assert here(command(recipe, rafdb, tmp_path / "run", "--init", str(init))) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "run").exists()
