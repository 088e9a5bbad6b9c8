"""Training as a user runs it: from a folder of faces to a model file, killed and resumed, alone and in company."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from fsrfer.cli.main import main
from support.made_faces import make_rafdb
from support.tiny_recipes import TINY_CLASSIFIER, TINY_FSR

RECIPES = {"compact": TINY_CLASSIFIER, "paper-small": TINY_FSR}


@pytest.fixture(scope="module")
def rafdb(tmp_path_factory) -> Path:
    return make_rafdb(tmp_path_factory.mktemp("rafdb"))


def command(recipe, rafdb, run, *more, steps=6, changes=()):
    return [
        sys.executable, "-m", "fsrfer.cli.main", "train", recipe, "--data", f"rafdb={rafdb}", "-o", str(run),
        "--max-steps", str(steps), "--precision", "32-true", "--set", *RECIPES[recipe], *changes, *more,
    ]  # fmt: skip


def fsrfer(arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        arguments, check=False, env=environment, capture_output=True, text=True, timeout=300, **options
    )


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
    stages = {"compact": ["classifier"], "paper-small": ["extractor", "pretraining", "adversarial"]}[recipe]
    expected = {f"metrics-{stage}.csv" for stage in stages} | {f"curves-{stage}.png" for stage in stages}
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
    for table in unbroken.glob("metrics-*.csv"):
        stage = table.stem.removeprefix("metrics-")
        assert losses(tmp_path / "run", stage) == losses(unbroken, stage)


def test_two_processes_compute_what_one_does(finished, rafdb, tmp_path):
    recipe, unbroken = finished
    done = fsrfer(
        command(
            recipe, rafdb, tmp_path / "run", "--devices", "2", changes=["network.dropout=0.0"][: recipe == "compact"]
        )
    )
    assert done.returncode == 0, done.stderr
    alone = unbroken
    if recipe == "compact":
        alone = tmp_path / "alone"
        assert fsrfer(command(recipe, rafdb, alone, changes=["network.dropout=0.0"])).returncode == 0
    for table in unbroken.glob("metrics-*.csv"):
        stage = table.stem.removeprefix("metrics-")
        one, two = losses(unbroken, stage), losses(tmp_path / "run", stage)
        steps = {key: value for key, value in one.items() if "accuracy" not in key[1]}
        assert {key: two[key] for key in steps} == pytest.approx(steps, rel=2e-3, abs=1e-4)


def test_a_finished_folder_is_not_overwritten_and_other_settings_do_not_resume(finished, rafdb):
    recipe, run = finished
    again = fsrfer(command(recipe, rafdb, run))
    assert again.returncode == 2
    assert "holds a run already; add --resume" in again.stderr
    other = fsrfer(command(recipe, rafdb, run, "--resume", steps=5))
    assert other.returncode == 2
    assert "begun with other settings" in other.stderr


def test_evaluate_measures_what_was_trained(finished, rafdb, tmp_path):
    recipe, run = finished
    model = run / "model.onnx" if recipe == "compact" else run
    done = fsrfer(
        [
            sys.executable,
            "-m",
            "fsrfer.cli.main",
            "evaluate",
            str(model),
            "--data",
            f"rafdb={rafdb}",
            "--split",
            "test",
            "--factors",
            "1,4",
            "--json",
            str(tmp_path / "report.json"),
        ]
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["factors"]) == ["x1", "x4"]
    assert report["factors"]["x1"]["faces"] == 21
    assert sum(map(sum, report["factors"]["x4"]["confusion"]["rows_true_columns_predicted"])) == 21


def test_it_learns(rafdb, tmp_path):
    changes = [
        "degradation.max_factor=1.0",
        "augmentation.flip=false",
        "augmentation.rotation=0.0",
        "loop.log_every=30",
    ]
    changes += ["optimizer.ema_decay=0.5", "optimizer.learning_rate=1e-2", "loop.checkpoint_every=60"]
    done = fsrfer(command("compact", rafdb, tmp_path / "run", steps=60, changes=changes))
    assert done.returncode == 0, done.stderr
    measured = losses(tmp_path / "run", "classifier")
    assert measured[60, "accuracy_x1"] > 0.7
    assert measured[60, "loss"] < measured[30, "loss"]


def test_divergence_stops_with_one_line_and_keeps_the_good_checkpoint(rafdb, tmp_path):
    done = fsrfer(command("compact", rafdb, tmp_path / "run", steps=40, changes=["optimizer.learning_rate=1e30"]))
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
