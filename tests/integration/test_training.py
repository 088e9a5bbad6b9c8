"""Training as a user runs it: from a folder of faces to a model file, killed and resumed, alone and in company."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fsrfer.cli.main import main
from fsrfer.inference.recognition import ExpressionModel
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.training.finished import load_predictor
from support.made_faces import make_rafdb, pattern
from support.tiny_recipes import TINY_CLASSIFIER, TINY_COMPACT, TINY_FSR, write_tiny_parent
from support.toy_model import toy_bytes

RECIPES = {
    "compact-small": [*TINY_COMPACT, "losses.adversarial=0.1", "camera.share=0.5", "camera.noise=10.0"],
    "mixed": TINY_CLASSIFIER,
    "paper-small": TINY_FSR,
}
STAGES = {
    "mixed": ["classifier"],
    "compact-small": ["compact"],
    "paper-small": ["extractor", "pretraining", "adversarial"],
}


@pytest.fixture(scope="module")
def rafdb(tmp_path_factory) -> Path:
    folder = make_rafdb(tmp_path_factory.mktemp("rafdb"))
    write_tiny_parent(folder / "parent.toml")
    return folder


def command(recipe, rafdb, run, *more, steps=6, changes=()):
    parent = [f"parent={rafdb / 'parent.toml'}"] if recipe == "compact-small" else []
    return [
        sys.executable, "-m", "fsrfer.cli.main", "train", recipe, "--data", f"rafdb={rafdb}", "-o", str(run),
        "--max-steps", str(steps), "--precision", "32-true", "--set", *RECIPES.get(recipe, TINY_CLASSIFIER), *parent,
        *changes, *more,
    ]  # fmt: skip


def fsrfer(arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        arguments, check=False, env=environment, capture_output=True, text=True, timeout=300, **options
    )


def here(arguments):
    """The same command in this process, which is quicker; the exit code."""
    return main(arguments[3:])


def losses(run, stage):
    with (run / f"metrics-{stage}.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["name"] != "seconds"]
    return {(int(row["step"]), row["name"]): float(row["value"]) for row in rows}


@pytest.fixture(scope="module", params=list(RECIPES))
def finished(request, rafdb, tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "ünbroken"
    done = fsrfer(command(request.param, rafdb, run))
    assert done.returncode == 0, done.stderr
    return request.param, run


def test_a_run_folder_holds_recipe_weights_metrics_and_plots(finished):
    recipe, run = finished
    names = {path.name for path in run.iterdir()}
    stages = STAGES[recipe]
    expected = {f"metrics-{stage}.csv" for stage in stages} | {f"curves-{stage}.png" for stage in stages}
    expected |= {"parent"} if recipe == "compact-small" else set()
    assert {"recipe.toml", "model.safetensors", *expected} <= names
    assert not [name for name in names if name.startswith(".partial")]


def test_killed_and_resumed_it_ends_with_the_same_weights(finished, rafdb, tmp_path):
    recipe, unbroken = finished
    arguments = command(recipe, rafdb, tmp_path / "run")
    process = subprocess.Popen(
        arguments, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not list((tmp_path / "run").glob("checkpoints/*/step-*[24].safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = fsrfer([*arguments, "--resume"])
    assert resumed.returncode == 0, resumed.stderr
    ours, theirs = (load_file(run / "model.safetensors") for run in (tmp_path / "run", unbroken))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    for stage in STAGES[recipe]:
        assert losses(tmp_path / "run", stage) == losses(unbroken, stage)


def test_two_processes_compute_what_one_does(finished, rafdb, tmp_path):
    recipe, unbroken = finished
    done = fsrfer(command(recipe, rafdb, tmp_path / "run", "--devices", "2"))
    assert done.returncode == 0, done.stderr
    for stage in STAGES[recipe]:
        one, two = losses(unbroken, stage), losses(tmp_path / "run", stage)
        # Generator and discriminator chase each other: a rounding grows with every step, faster on some processors.
        steps = {
            (step, name): value
            for (step, name), value in one.items()
            if "accuracy" not in name and (step <= 3 or name != "adversarial")
        }
        assert {key: two[key] for key in steps} == pytest.approx(steps, rel=2e-3, abs=1e-4)


def test_a_finished_folder_is_not_overwritten_and_other_settings_do_not_resume(finished, rafdb, capsys):
    recipe, run = finished
    assert here(command(recipe, rafdb, run)) == 2
    assert "holds a run already; add --resume" in capsys.readouterr().err
    assert here(command(recipe, rafdb, run, "--resume", steps=5)) == 2
    assert "begun with other settings" in capsys.readouterr().err


def evaluated(model, rafdb, report, *more):
    arguments = ["--data", f"rafdb={rafdb}", "--split", "test", "--factors", "1,4", "--json", str(report), *more]
    assert main(["evaluate", str(model), *arguments]) == 0
    return json.loads(report.read_text())


def test_evaluate_measures_what_was_trained(finished, rafdb, tmp_path):
    _, run = finished
    for model in {run, *run.glob("model.onnx")}:
        report = evaluated(model, rafdb, tmp_path / "report.json")
        assert list(report["factors"]) == ["x1", "x4"]
        assert report["factors"]["x1"]["faces"] == 21
        assert sum(map(sum, report["factors"]["x4"]["confusion"]["rows_true_columns_predicted"])) == 21
        assert report["degradation"] == "plainly"


@pytest.mark.parametrize("finished", ["compact-small"], indirect=True)
def test_a_compact_model_tells_the_size_and_answers_like_its_run(finished, rafdb, tmp_path):
    _, run = finished
    faces = np.stack([pattern(label, 16, np.random.default_rng(label)) for label in range(7)])
    found = ExpressionModel(run / "model.onnx").answers(faces)
    assert found.effective_px.shape == (7,)
    assert ((found.effective_px >= 1) & (found.effective_px <= 16)).all()
    np.testing.assert_array_equal(found.probabilities.argmax(1), load_predictor(run)(list(faces)).argmax(1))
    reports = [evaluated(model, rafdb, tmp_path / "report.json", "--camera") for model in (run, run / "model.onnx")]
    assert {report["degradation"] for report in reports} == {"by_camera"}
    by_run, by_model = ({x: rows["confusion"] for x, rows in report["factors"].items()} for report in reports)
    assert by_run == by_model
    assert evaluated(run, rafdb, tmp_path / "report.json")["factors"] != reports[0]["factors"]


@pytest.mark.parametrize("finished", ["compact-small"], indirect=True)
def test_a_parent_is_trained_first_and_no_longer_than_asked_for(finished, rafdb):
    _, run = finished
    assert load_recipe(str(rafdb / "parent.toml")).loop.max_steps > 6
    assert max(step for step, _ in losses(run / "parent", "compact")) == 6
    assert (
        ExpressionModel(run / "model.onnx").info.training["origin"] == f"recipe {rafdb / 'parent.toml'}, trained first"
    )


@pytest.fixture(scope="module")
def start(rafdb, tmp_path_factory):
    """A finished run that may stand for the tiny parent."""
    run = tmp_path_factory.mktemp("start") / "run"
    assert here(command("sharp-small", rafdb, run)) == 0
    return run


STAYS_AS_IT_STARTS = ["extractor=fixed", "teacher=parent", "optimizer.learning_rate=1e-12", "losses.adversarial=0.0"]


@pytest.mark.parametrize("what", ["a run", "a model file"])
def test_a_finished_run_or_a_model_file_may_stand_for_the_parent(start, rafdb, tmp_path, what):
    init = start if what == "a run" else start / "model.onnx"
    run = tmp_path / "run"
    assert here(command("compact-small", rafdb, run, "--init", str(init), steps=1, changes=STAYS_AS_IT_STARTS)) == 0
    assert not (run / "parent").exists()
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


FOLLOWS = ["losses.feature=0.0", "losses.perceptual=0.0", "losses.adversarial=0.0"]


def test_a_wider_network_can_follow_its_parents_answers(rafdb, tmp_path):
    answers = [*FOLLOWS, "teacher=parent", "network.widths=[12]", "losses.distillation=1.0"]
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
def wide_teacher(rafdb, tmp_path_factory):
    """A recipe for a teacher with more channels, which starts from the same tiny parent."""
    path = tmp_path_factory.mktemp("teacher") / "wide.toml"
    changes = [*TINY_COMPACT, *FOLLOWS, f"parent={rafdb / 'parent.toml'}", "network.widths=[12]"]
    save_recipe(load_recipe("compact-small", changes), path)
    return path


@pytest.fixture(scope="module")
def taught(rafdb, wide_teacher, tmp_path_factory):
    run = tmp_path_factory.mktemp("taught") / "run"
    changes = [*FOLLOWS, f"teacher={wide_teacher}"]
    assert here(command("compact-small", rafdb, run, steps=2, changes=changes)) == 0
    return run, changes


def test_a_teacher_of_another_recipe_is_trained_first(taught, wide_teacher):
    run, _ = taught
    assert (run / "parent" / "model.safetensors").is_file()
    assert (run / "teacher" / "parent" / "model.safetensors").is_file()
    assert load_recipe(str(run / "teacher" / "recipe.toml")).network.widths == [12]
    origin = ExpressionModel(run / "model.onnx").info.training["origin"]
    assert origin.endswith(f"taught by recipe {wide_teacher}, trained first")


def test_a_finished_run_or_a_model_file_may_stand_for_the_teacher(taught, rafdb, tmp_path, capsys):
    run, changes = taught
    given = ["--init", str(run / "parent"), "--teacher", str(run / "teacher")]
    again = command("compact-small", rafdb, tmp_path / "again", *given, steps=2, changes=changes)
    assert here(again) == 0
    assert not (tmp_path / "again" / "teacher").exists()
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "again", run))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    assert "taught by a run of recipe" in ExpressionModel(tmp_path / "again" / "model.onnx").info.training["origin"]
    capsys.readouterr()
    assert here([*again, "--resume", "--teacher", str(run / "parent")]) == 2
    assert "give the same --init, --teacher and --members" in capsys.readouterr().err


def test_a_teacher_that_does_not_fit_is_refused_before_a_run_is_begun(start, rafdb, wide_teacher, tmp_path, capsys):
    leads_back = write_tiny_parent(
        tmp_path / "back.toml", f"teacher={tmp_path / 'back.toml'}", "losses.distillation=1.0"
    )
    for changes, more, message in [
        ([], ["--teacher", str(start)], "compact-small has no teacher of its own that a model could stand for"),
        (
            [*FOLLOWS, f"teacher={wide_teacher}", "losses.feature=1.0"],
            [],
            "makes other maps (network.widths [12] and .stem_stride 1, not [8] and 1), so only its answers can be followed",
        ),
        (
            [*FOLLOWS, f"teacher={wide_teacher}"],
            ["--teacher", str(start / "model.onnx")],
            "stages.0.0.0.weight (12, 4, 3, 3)",
        ),
        (["teacher=parent", "network.widths=[12]"], [], f"its teacher {rafdb / 'parent.toml'} makes other maps"),
        (["teacher=parent", "network.widths=[12]"], ["--init", str(start)], f"its teacher {start} makes other maps"),
        (["teacher=parent", "network.widths=[12]"], ["--init", str(start / "model.onnx")], "makes other maps"),
        ([*FOLLOWS, f"teacher={leads_back}"], [], "what it builds on leads back to"),
        ([*FOLLOWS, "teacher=paper-small"], [], "its teacher paper-small is not a compact network"),
        ([*FOLLOWS, "teacher=mixed"], [], "its teacher mixed takes grey faces of 48 pixels"),
        ([*FOLLOWS, "teacher="], [], "teacher: "),
    ]:
        capsys.readouterr()
        assert here(command("compact-small", rafdb, tmp_path / "run", *more, changes=changes)) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def pair(rafdb, wide_teacher, tmp_path_factory):
    """A recipe for two networks, the second of which learns from what the first answers."""
    folder = tmp_path_factory.mktemp("pair")
    coarse = [*TINY_COMPACT, *FOLLOWS, "parent=", f"teacher={wide_teacher}", "refined=0.5", "network.stem_stride=2"]
    save_recipe(load_recipe("compact-small", [*coarse, "losses.distillation=0.0"]), folder / "coarse.toml")
    members = f"members=['{wide_teacher}', '{folder / 'coarse.toml'}']"
    save_recipe(load_recipe("compact-pair", ["input.size=16", "validation=rafdb", members]), folder / "pair.toml")
    return folder / "pair.toml"


def pair_command(pair, rafdb, run, *more):
    data = ["--data", f"rafdb={rafdb}", "--max-steps", "2", "--precision", "32-true"]
    return ["train", str(pair), *data, "-o", str(run), *more]


@pytest.fixture(scope="module")
def paired(pair, rafdb, tmp_path_factory):
    run = tmp_path_factory.mktemp("paired") / "run"
    assert main(pair_command(pair, rafdb, run)) == 0
    return run


def test_the_members_of_an_ensemble_are_trained_once_each_and_answer_as_one(paired):
    wide, coarse = paired / "members" / "wide", paired / "members" / "coarse"
    assert not (coarse / "teacher").exists()
    assert "a run of recipe compact-small" in (coarse / "origin.txt").read_text("utf-8")
    faces = [pattern(label, 16, np.random.default_rng(label)) for label in range(7)]
    together, first, second = (np.log(load_predictor(run)(faces)) for run in (paired, wide, coarse))
    mean = (first + second) / 2
    shares = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(together), shares, atol=1e-5)
    info = ExpressionModel(paired / "model.onnx").info
    assert [member["steps"] for member in info.training["members"]] == [2, 2]


def test_finished_runs_may_stand_for_the_members(pair, paired, rafdb, tmp_path, capsys):
    members = [str(paired / "members" / name) for name in ("wide", "coarse")]
    run = tmp_path / "run"
    assert main(pair_command(pair, rafdb, run, "--members", *members)) == 0
    mine, theirs = (load_file(folder / "model.safetensors") for folder in (run, paired))
    assert all(np.array_equal(value, theirs[name]) for name, value in mine.items())
    assert main(pair_command(pair, rafdb, run, "--resume", "--members", *members[::-1])) == 2
    assert "give the same" in capsys.readouterr().err


def test_what_cannot_be_an_ensemble_is_refused_before_a_run_is_begun(pair, paired, rafdb, tmp_path, capsys):
    wide = str(paired / "members" / "wide")
    for more, message in [
        (["--members", wide], "has 2 members"),
        (["--members", wide, str(tmp_path)], "no finished run there"),
        (["--init", wide], "has no parent"),
        (["--set", "members=['mixed', 'mixed']"], "a name of its own"),
        (["--set", "members=['paper-small', 'mixed']"], "member paper-small is not a compact network"),
        (["--set", "members=['mixed', 'compact']"], "its member mixed takes grey faces of 48 pixels"),
        (["--set", "members=['mixed']"], "members: "),
    ]:
        capsys.readouterr()
        assert main(pair_command(pair, rafdb, tmp_path / "run", *more)) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "run").exists()
    assert here(command("mixed", rafdb, tmp_path / "run", "--members", wide)) == 2
    assert "describes one network" in capsys.readouterr().err


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


def test_it_learns(rafdb, tmp_path):
    changes = [
        "degradation.max_factor=1.0",
        "augmentation.flip=false",
        "augmentation.rotation=0.0",
        "loop.log_every=30",
    ]
    changes += ["optimizer.ema_decay=0.5", "optimizer.learning_rate=1e-2", "loop.checkpoint_every=60"]
    done = fsrfer(command("mixed", rafdb, tmp_path / "run", steps=60, changes=changes))
    assert done.returncode == 0, done.stderr
    measured = losses(tmp_path / "run", "classifier")
    assert measured[60, "accuracy_x1"] > 0.7
    assert measured[60, "loss"] < measured[30, "loss"]


def test_divergence_stops_with_one_line_and_keeps_the_good_checkpoint(rafdb, tmp_path):
    done = fsrfer(command("mixed", rafdb, tmp_path / "run", steps=40, changes=["optimizer.learning_rate=1e30"]))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "at step" in done.stderr
    assert not (tmp_path / "run" / "model.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compact", "--data", "rafdb=/nowhere", "-o", "RUN"], "validates on ferplus"),
        (["compact", "--data", "ferplus=/nowhere", "-o", "RUN"], "no such folder"),
        (["compcat", "--data", "rafdb=/nowhere", "-o", "RUN"], "no recipe 'compcat'"),
        (["compact", "--data", "rafdb=/nowhere", "-o", "RUN", "--set", "loop.stps=1"], "no key 'loop.stps'"),
        (["paper-small", "--data", "rafdb=/nowhere", "-o", "RUN", "--max-steps", "0"], "at least 1"),
        (["compact", "--data", "rafdb=/nowhere", "-o", "RUN", "--devices", "0"], "must be at least 1"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, tmp_path, capsys):
    words = [str(tmp_path / "run") if word == "RUN" else word for word in arguments]
    assert main(["train", *words]) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert len(complaint.strip().splitlines()) == 1
