"""The paper's comparison in small: trained, measured, reported, resumed, with outside models beside it."""

import csv
import json

import pytest

from fsrfer.cli.main import main
from support.made_faces import make_rafdb
from support.tiny_recipes import TINY_FSR


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    rafdb = make_rafdb(folder / "rafdb")
    words = ["benchmark", "--data", f"rafdb={rafdb}", "-o", str(folder / "out"), "--max-steps", "2", "--factors", "1,4"]
    words += ["--precision", "32-true", "--set", *TINY_FSR, "image_sr.channels=4"]
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
