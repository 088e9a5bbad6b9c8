"""The commands of use from end to end, on real photos where there are any."""

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.cli.main import main
from fsrfer.labels import EXPRESSIONS
from fsrfer.recognition.yunet import WEIGHTS_SHA256, bundled_weights
from support.toy_model import stripes, write_toy

Captured = pytest.CaptureFixture[bytes]


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    (folder / "inner").mkdir(parents=True)
    for winner, name in enumerate(("a.png", "b.png", "inner/ç.png")):
        Image.fromarray(stripes(winner, 56)).save(folder / name)
    return folder


def output(capfdbinary: Captured) -> str:
    return capfdbinary.readouterr().out.decode()


def test_predict_a_folder_of_photos(photos: Path, toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("stock-group-1.jpg", "no_face.jpg"):
        (folder / name).symlink_to(photos / name)
    out, drawn = tmp_path / "all.jsonl", tmp_path / "drawn"
    arguments = ["predict", folder, "-o", out, "--annotate", drawn, "--detector", "fast", "--model", toy]
    assert main([*map(str, arguments), "--threads", "1"]) == 0
    nobody, group = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert (nobody["faces"], nobody["error"], nobody["group"]["faces"]) == ([], None, 0)
    assert (group["width"], group["height"]) == (853, 1280)
    assert len(group["faces"]) == group["group"]["faces"] == 15
    for face in group["faces"]:
        x1, y1, x2, y2 = face["box"]
        assert 0 <= x1 < x2 <= 853
        assert 0 <= y1 < y2 <= 1280
        assert face["size_px"] == pytest.approx(y2 - y1, abs=0.02)
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert face["probability"] == max(face["probabilities"].values()) == face["probabilities"][face["expression"]]
        assert 0 < face["detection_score"] <= 1
        assert np.shape(face["landmarks"]) == (5, 2)
    assert sorted(path.name for path in drawn.iterdir()) == ["no_face.jpg", "stock-group-1.jpg"]


def test_a_detector_file_of_your_own(photos: Path, toy: Path, tmp_path: Path, capfdbinary: Captured) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(bundled_weights().read_bytes())
    rgb = Image.open(photos / "stock-group-1.jpg").resize((426, 640))
    rgb.save(tmp_path / "photo.png")
    counts = []
    for detector in ("default", str(mine)):
        arguments = [
            "predict",
            str(tmp_path / "photo.png"),
            "--detector",
            detector,
            "--model",
            str(toy),
            "--threads",
            "1",
        ]
        assert main([*arguments, "--format", "json"]) == 0
        counts.append(json.loads(output(capfdbinary))["group"]["faces"])
    assert counts[0] == counts[1] == 15


def test_classify_gives_one_row_a_face(crops: Path, toy: Path, capfdbinary: Captured) -> None:
    common = ["classify", str(crops), "--model", str(toy), "--threads", "1", "--format"]
    assert main([*common, "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(output(capfdbinary))))
    assert [Path(row["file"]).name for row in rows] == ["a.png", "b.png", "ç.png"]
    assert [row["expression"] for row in rows] == list(EXPRESSIONS[:3])
    assert [float(row["size_px"]) for row in rows] == [56, 56, 56]
    assert main([*common, "json"]) == 0
    lines = [json.loads(line) for line in output(capfdbinary).splitlines()]
    assert [line["expression"] for line in lines] == list(EXPRESSIONS[:3])
    for row, line in zip(rows, lines, strict=True):
        assert set(line) >= {"file", "size_px", "expression", "probability", "certain", "error", "probabilities"}
        assert [float(row[name]) for name in EXPRESSIONS] == [line["probabilities"][name] for name in EXPRESSIONS]
    assert main([*common, "table"]) == 0
    table = output(capfdbinary)
    assert [table.count(name) for name in EXPRESSIONS[:3]] == [1, 1, 1]


def test_the_command_and_python_agree(crops: Path, toy: Path, capfdbinary: Captured) -> None:
    from fsrfer import Recognizer

    main(["classify", str(crops / "a.png"), "--model", str(toy), "--threads", "1", "--format", "json"])
    told = json.loads(output(capfdbinary))
    (answer,) = Recognizer(toy, threads=1).classify([crops / "a.png"])
    assert told["expression"] == answer.expression
    assert told["probabilities"] == pytest.approx(dict(answer.probabilities), abs=1e-6)


def test_min_face_sets_small_faces_apart(crops: Path, toy: Path, tmp_path: Path, capfdbinary: Captured) -> None:
    (tmp_path / "boxes.json").write_text("[[0, 0, 20, 20], [0, 0, 56, 56]]")
    common = [
        "predict",
        str(crops / "a.png"),
        "--boxes",
        str(tmp_path / "boxes.json"),
        "--model",
        str(toy),
        "--format",
        "json",
    ]
    for least, small in (("0", [False, False]), ("30", [True, False]), ("60.5", [True, True])):
        assert main([*common, "--min-face", least]) == 0
        result = json.loads(output(capfdbinary))
        assert [face["too_small"] for face in result["faces"]] == small
        assert result["group"]["too_small"] == sum(small)


def test_info_describes_models_detector_and_runtime(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", "--format", "json", "--model", str(toy)]) == 0
    facts = json.loads(capsys.readouterr().out)
    mine = facts["models"][-1]
    assert (mine["model"], mine["name"], mine["error"]) == (str(toy), "toy", None)
    assert mine["sha256"] == hashlib.sha256(toy.read_bytes()).hexdigest()
    assert tuple(mine["labels"]) == EXPRESSIONS
    assert mine["training"]
    assert mine["accuracy"]
    assert facts["detector"]["sha256"] == WEIGHTS_SHA256
    assert Path(facts["detector"]["found"]).is_file()
    assert {"python", "onnxruntime", "numpy"} <= set(facts["runtime"])
    assert main(["info", "--model", str(toy)]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("toy", WEIGHTS_SHA256, "onnxruntime", "neutral"))


def test_info_tells_of_a_damaged_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_toy(tmp_path / "toy.onnx")
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    assert main(["info", "--model", str(path)]) == 2
    assert "SHA-256" in capsys.readouterr().out
