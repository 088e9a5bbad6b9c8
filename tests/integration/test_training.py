"""Training as a user runs it: from a folder of faces to a model file, killed and resumed, alone and in company."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from fsrfer.cli.main import main
from fsrfer.recipes.schema import load_recipe
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training.finished import load_predictor
from support.made_faces import pattern
from support.training_commands import RECIPES, command, fsrfer, here, losses

STAGES = {
    "mixed": ["classifier"],
    "compact-small": ["compact"],
    "paper-small": ["extractor", "pretraining", "adversarial"],
}


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
    expected |= {"networks"} if recipe == "compact-small" else set()
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
    assert max(step for step, _ in losses(run / "networks" / "parent", "compact")) == 6
    assert (
        ExpressionModel(run / "model.onnx").info.training["origin"] == f"recipe {rafdb / 'parent.toml'}, trained first"
    )


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
