"""Training as a user runs it: from a folder of faces to a model file, killed and resumed, alone and in company."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fsrfer.cli.main import main
from fsrfer.errors import TrainingError
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training.finished import load_predictor
from fsrfer.training.start import load_run
from support.made_faces import make_rafdb, pattern
from support.tiny_recipes import tiny_classifier
from support.training_commands import command, fsrfer, here, losses, refusal, trained

STAGES = {
    "tiny": [("networks/first/", "classifier"), ("networks/second/", "classifier")],
    "tiny_paper": [("", "extractor"), ("", "pretraining"), ("", "adversarial")],
}
"""Folder and name of each."""


@pytest.fixture(params=list(STAGES))
def finished(request):
    """Name of a recipe, its file, and a finished run of it."""
    run = request.getfixturevalue(f"finished_{request.param.removeprefix('tiny_')}")
    return request.param, request.getfixturevalue(request.param), run


def test_a_run_folder_holds_recipe_origin_weights_metrics_and_plots(finished):
    name, _, run = finished
    expected = ["recipe.toml", "origin.json", "model.safetensors", *(["model.onnx"] if name == "tiny" else [])]
    for folder, stage in STAGES[name]:
        expected += [f"{folder}metrics-{stage}.csv", f"{folder}curves-{stage}.png"]
    assert not [file for file in expected if not (run / file).is_file()]
    assert not list(run.rglob(".partial*"))
    data = json.loads((run / "origin.json").read_text("utf-8"))["data"]
    assert set(data) == {"rafdb train (nine of ten)", "rafdb train (every tenth)"}


def test_killed_and_resumed_it_ends_with_the_same_weights(finished, rafdb, tmp_path):
    name, recipe, unbroken = finished
    run = tmp_path / "run"
    arguments = command(recipe, rafdb, run)
    process = subprocess.Popen(
        arguments, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not list(run.rglob("step-*[24].safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert here([*arguments, "--resume"]) == 0
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (run, unbroken))
    assert ours.keys() == theirs.keys()
    assert all((ours[key] == theirs[key]).all() for key in ours)
    for model in unbroken.glob("model.onnx"):
        assert (run / model.name).read_bytes() == model.read_bytes()
    for folder, stage in STAGES[name]:
        assert losses(run / folder, stage) == losses(unbroken / folder, stage)


def test_in_sittings_one_command_ends_with_the_same_weights(finished_paper, tiny_paper, rafdb, tmp_path, capsys):
    run = tmp_path / "run"
    assert here(command(tiny_paper, rafdb, run, "--minutes", "1e-6")) == 75
    told = capsys.readouterr().err
    assert f"{run}: stage extractor, step 1 of 6; 1e-06 minutes are over, the same command goes on" in told
    assert here(command(tiny_paper, rafdb, run, "--minutes", "60")) == 0
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (run, finished_paper))
    assert all((ours[key] == theirs[key]).all() for key in theirs)
    for folder, stage in STAGES["tiny_paper"]:
        assert losses(run / folder, stage) == losses(finished_paper / folder, stage)
    assert "--minutes 0: must be above 0" in refusal(command(tiny_paper, rafdb, run, "--minutes", "0"), capsys)


def test_two_processes_compute_what_one_does_and_one_goes_on_with_it(finished, rafdb, tmp_path):
    name, recipe, unbroken = finished
    run = tmp_path / "run"
    done = fsrfer(command(recipe, rafdb, run, "--devices", "2"))
    assert done.returncode == 0, done.stderr
    require_alike(name, unbroken, run)
    for late in (*run.rglob("model.*"), *run.rglob("step-*6.safetensors")):
        late.unlink()
    assert here(command(recipe, rafdb, run, "--resume")) == 0
    require_alike(name, unbroken, run)


def require_alike(name, unbroken, run):
    for folder, stage in STAGES[name]:
        one, two = losses(unbroken / folder, stage), losses(run / folder, stage)
        # Generator and discriminator chase each other: a rounding grows with every step, faster on some processors.
        steps = {
            (step, key): value
            for (step, key), value in one.items()
            if "accuracy" not in key and (step <= 3 or key != "adversarial")
        }
        assert {key: two[key] for key in steps} == pytest.approx(steps, rel=2e-3, abs=1e-4)


def test_a_run_is_neither_overwritten_nor_resumed_with_anything_else(finished, rafdb, tmp_path, capsys):
    _, recipe, run = finished
    assert "holds a run already; add --resume" in refusal(command(recipe, rafdb, run), capsys)
    assert "begun with other settings" in refusal(command(recipe, rafdb, run, "--resume", steps=5), capsys)
    nothing = command(recipe, rafdb, tmp_path / "none", "--resume")
    assert "there is no run to resume" in refusal(nothing, capsys)
    assert not (tmp_path / "none").exists()
    other = make_rafdb(tmp_path / "rafdb", train=80)
    assert "begun with data rafdb train" in refusal(command(recipe, other, run, "--resume"), capsys)


def evaluated(model, rafdb, report, *more):
    arguments = ["--data", f"rafdb={rafdb}", "--split", "test", "--factors", "1,4", "--json", str(report), *more]
    assert main(["evaluate", str(model), *arguments]) == 0
    return json.loads(report.read_text())


def test_evaluate_measures_what_was_trained(finished, rafdb, tmp_path):
    _, _, run = finished
    for model in {run, *run.glob("model.onnx")}:
        report = evaluated(model, rafdb, tmp_path / "report.json")
        assert list(report["factors"]) == ["x1", "x4"]
        assert report["factors"]["x1"]["faces"] == 21
        assert sum(map(sum, report["factors"]["x4"]["confusion"]["rows_true_columns_predicted"])) == 21
        assert report["degradation"] == "plainly"


def test_a_model_file_tells_the_size_as_its_run_does_and_what_it_was_made_of(finished_tiny, rafdb, tmp_path):
    run = finished_tiny
    faces = np.stack([pattern(label, 16, np.random.default_rng(label)) for label in range(7)])
    model = ExpressionModel(run / "model.onnx")
    _, network = load_run(run)
    with torch.no_grad():
        sizes = network.eval().analyse(torch.from_numpy(faces)[:, None].float()).log2_px.exp2().clamp(1, 16)
    np.testing.assert_allclose(model.answers(faces).effective_px, sizes.numpy(), rtol=1e-3)
    report = tmp_path / "report.json"
    spoiled, plain = (evaluated(run / "model.onnx", rafdb, report, *more) for more in (["--camera"], []))
    assert (spoiled["degradation"], plain["degradation"]) == ("by_camera", "plainly")
    assert spoiled["factors"] != plain["factors"]
    told = model.info.training
    assert told["networks"]["second"] == {"seed": 5, "steps": 6, "teachers": ["first"]}
    assert told["data_sha256"].keys() == json.loads((run / "origin.json").read_text("utf-8"))["data"].keys()


def test_the_networks_of_a_run_are_runs_of_their_own_that_answer_together(finished_tiny):
    faces = [pattern(label, 16, np.random.default_rng(label)) for label in range(7)]
    folders = (finished_tiny, *(finished_tiny / "networks" / name for name in ("first", "second")))
    together, first, second = (np.log(load_predictor(folder)(faces)) for folder in folders)
    shares = np.exp((first + second) / 2)
    np.testing.assert_allclose(np.exp(together), shares / shares.sum(1, keepdims=True), atol=1e-5)


def test_it_learns(fabric, rafdb, tmp_path):
    changes = ["networks.alone.loop.log_every=30", "networks.alone.optimizer.ema_decay=0.5", "augmentation.flip=false"]
    changes += ["networks.alone.optimizer.learning_rate=1e-2", "views.max_factor=1.0", "augmentation.rotation=0.0"]
    run = trained(fabric, tiny_classifier(*changes, taught={"alone": []}), rafdb, tmp_path, steps=60)
    measured = losses(run / "networks" / "alone", "classifier")
    assert measured[60, "accuracy_x1"] > 0.7
    assert measured[60, "classification"] < measured[30, "classification"]


def test_divergence_stops_with_one_line_and_keeps_the_good_checkpoint(fabric, rafdb, tmp_path):
    recipe = tiny_classifier("networks.alone.optimizer.learning_rate=1e30", taught={"alone": []})
    with pytest.raises(TrainingError, match=r"^classifier: .* became \S+ at step .* checkpoint") as told:
        trained(fabric, recipe, rafdb, tmp_path, steps=40)
    assert "\n" not in str(told.value)
    assert not list(tmp_path.rglob("model.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["default", "--data", "rafdb=/nowhere"], "validates on ferplus"),
        (["default", "--data", "ferplus=/nowhere"], "no such folder"),
        (["defualt", "--data", "rafdb=/nowhere"], "no recipe 'defualt'"),
        (
            ["default", "--data", "rafdb=/nowhere", "--set", "networks.fine.loop.stps=1"],
            "no key 'networks.fine.loop.stps'",
        ),
        (["paper-small", "--data", "rafdb=/nowhere", "--max-steps", "0"], "at least 1"),
        (["default", "--data", "rafdb=/nowhere", "--devices", "0"], "must be at least 1"),
        (["comparison", "--data", "rafdb=/nowhere"], "run it by: fsrfer benchmark --recipe comparison"),
        (["comparison", "--data", "rafdb=/nowhere", "--init", "default"], "starts from scratch alone"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, tmp_path, capsys):
    assert main(["train", *arguments, "-o", str(tmp_path / "run")]) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert len(complaint.strip().splitlines()) == 1
