"""The paper's comparison in small: trained, measured, reported, resumed, with outside models beside it."""

import csv
import json
import shutil

import pytest

from fsrfer.cli.main import main
from fsrfer.comparison.following import FollowingTrainer
from fsrfer.comparison.image_sr import ImageSrTrainer
from fsrfer.recipes.schema import load_recipe, save_recipe
from support.made_faces import make_rafdb
from support.tiny_recipes import TINY_COMPARISON, TINY_PAPER


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    rafdb = make_rafdb(folder / "rafdb")
    words = ["benchmark", "--data", f"rafdb={rafdb}", "-o", str(folder / "out"), "--max-steps", "2", "--factors", "1,4"]
    words += ["--precision", "32-true", "--set", *TINY_PAPER, "image_sr.channels=4"]
    assert main(words) == 0
    return folder / "out", words


def stored(out):
    return {path.relative_to(out): path.read_bytes() for path in out.glob("predictions/**/*.npy")}


def test_every_rival_and_ablation_is_in_the_report(bench):
    out, _ = bench
    report = json.loads((out / "report" / "report.json").read_text())
    text = (out / "report" / "report.md").read_text()
    names = {path.name for path in (out / "predictions").iterdir()}
    assert {"bicubic", "bicubic-head", "image-sr", "mixed", "fsr", "fsr-head", "fsr-l2-head"} <= names
    assert {"fsr-no-gan", "fsr-no-reweighting", "fsr-no-perceptual"} <= names
    assert "split test: 21" in text
    assert "FSR-FER without re-weighting" in text
    assert report["command"].startswith("fsrfer ")
    assert (out / "report" / "features.png").is_file()


def test_given_again_it_repeats_nothing(bench):
    out, words = bench
    before = stored(out)
    times = {path: path.stat().st_mtime_ns for path in out.glob("predictions/**/*.npy")}
    assert main(words) == 0
    assert stored(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.glob("predictions/**/*.npy")} == times


def test_an_outside_model_answers_a_folder_of_faces(bench, tmp_path):
    out, words = bench
    assert main([*words[:9], "--export-faces", *words[9:]]) == 0
    with (out / "exported" / "faces.csv").open() as lines:
        files = [row["file"] for row in csv.DictReader(lines)]
    assert len(files) == 42
    answers = tmp_path / "answers.csv"
    header = "file,happy,sad,angry,neutral,fear,disgust,surprise\n"
    answers.write_text(header + "".join(f"{name},1,0,0,0,0,0,0\n" for name in files))
    assert main([*words[:9], "--answers", f"always-happy={answers}", *words[9:]]) == 0
    report = (out / "report" / "report.md").read_text()
    assert "always-happy (outside)" in report


def test_other_faces_do_not_mix_with_these(bench, tmp_path, capsys):
    _, words = bench
    other = make_rafdb(tmp_path / "rafdb", test=14)
    assert main([word if not word.startswith("rafdb=") else f"rafdb={other}" for word in words]) == 2
    assert "holds figures of rafdb test (21 faces" in capsys.readouterr().err


def test_other_faces_to_train_on_are_refused(bench, tmp_path, capsys):
    out, words = bench
    rafdb = shutil.copytree(words[2].removeprefix("rafdb="), tmp_path / "rafdb")
    (table,) = rafdb.rglob("list_patition_label.txt")
    first, *others = table.read_text().splitlines()
    assert first.startswith("train")
    table.write_text("\n".join([f"{first[:-1]}{int(first[-1]) % 7 + 1}", *others]) + "\n")
    assert main([*words[:2], f"rafdb={rafdb}", *words[3:]]) == 2
    assert f"{out}/runs/seed-" in (told := capsys.readouterr().err)
    assert "begun with data rafdb" in told


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    rafdb = make_rafdb(folder / "rafdb")
    save_recipe(load_recipe("comparison", [*TINY_COMPARISON, "name=tiny"]), folder / "tiny.toml")
    words = ["benchmark", "--recipe", str(folder / "tiny.toml"), "--data", f"rafdb={rafdb}", "-o", str(folder / "out")]
    words += ["--max-steps", "2", "--factors", "1,4", "--precision", "32-true"]
    assert main([*words, "--rivals", "fsr", "joint"]) == 0
    return folder / "out", words


def test_rivals_of_one_start_are_compared_with_the_full_method(comparison):
    out, _ = comparison
    report = json.loads((out / "report" / "report.json").read_text())
    assert set(report["methods"]) == {"tiny-bicubic", "tiny-image-sr", "tiny-fsr", "tiny-joint"}
    assert report["reference"] == "tiny-joint"
    assert all(list(method["factors"]) == ["x1", "x4"] for method in report["methods"].values())
    runs = out / "runs" / "tiny" / "seed-1"
    for name in ("start", "sharp", "fsr", "joint"):
        with (runs / name / "metrics-views.csv").open() as lines:
            assert max(int(row["step"]) for row in csv.DictReader(lines)) == 2
    costs = {name: method["gflop"] for name, method in report["methods"].items()}
    assert costs["tiny-bicubic"] < costs["tiny-fsr"] == costs["tiny-joint"] < costs["tiny-image-sr"]


def test_rivals_that_are_there_are_not_trained_again(comparison, monkeypatch):
    out, words = comparison
    before = stored(out)
    times = {path: path.stat().st_mtime_ns for path in out.glob("predictions/**/*.npy")}
    for trainer in (FollowingTrainer, ImageSrTrainer):
        monkeypatch.setattr(trainer, "train_step", lambda *_: pytest.fail("trained again"))
    assert main([*words, "--rivals", "fsr", "joint"]) == 0
    assert stored(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.glob("predictions/**/*.npy")} == times


def test_more_seeds_train_the_chosen_rivals_and_not_the_plain_network_again(comparison, tmp_path):
    _, words = comparison
    words = [str(tmp_path / "out") if word.endswith("/out") else word for word in words]
    assert main([*words, "--rivals", "joint", "--seeds", "1", "2"]) == 0
    report = json.loads((tmp_path / "out" / "report" / "report.json").read_text())
    seeds = {path.parent.name for path in (tmp_path / "out" / "predictions" / "tiny-joint").glob("*/x1.npy")}
    assert seeds == {"seed-1", "seed-2"}
    assert [path.name for path in (tmp_path / "out" / "predictions" / "tiny-bicubic").iterdir()] == ["seed-1"]
    assert set(report["methods"]) == {"tiny-bicubic", "tiny-image-sr", "tiny-joint"}


def test_rivals_without_the_full_method_are_compared_with_the_plain_one(comparison, tmp_path):
    _, words = comparison
    words = [str(tmp_path / "out") if word.endswith("/out") else word for word in words]
    assert main([*words, "--rivals", "mixed"]) == 0
    report = json.loads((tmp_path / "out" / "report" / "report.json").read_text())
    assert set(report["methods"]) == {"tiny-bicubic", "tiny-image-sr", "tiny-mixed"}
    assert report["reference"] == "tiny-bicubic"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "default"], "--recipe default: not a recipe to compare by; use paper-small, paper or comparison"),
        (["--recipe", "comparison", "--rivals", "fsr", "jiont"], "--rivals jiont: known are fsr, "),
        (
            ["--recipe", "paper-small", "--rivals", "fsr"],
            "--rivals: of the recipe comparison; paper-small trains",
        ),
        (["--recipe", "comparison"], "the recipe validates on ferplus: add --data ferplus=PATH"),
    ],
)
def test_comparisons_that_cannot_be_are_one_line(arguments, message, comparison, tmp_path, capsys):
    data = comparison[1][3:5]
    capsys.readouterr()
    assert main(["benchmark", *arguments, *data, "-o", str(tmp_path / "out"), "--max-steps", "1"]) == 2
    complaint = capsys.readouterr().err.strip()
    assert message in complaint
    assert len(complaint.splitlines()) == 1
