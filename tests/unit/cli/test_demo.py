from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.cli.demo import GAP, HEIGHTS, bundled_portrait, largest_inside, shrinking_row
from fsrfer.cli.main import main
from fsrfer.errors import InputError
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.types import Box, Face


def face(box: Box) -> Face:
    answer = CertaintyRule(0.5, min_face=0.0).judge(np.full(7, 1 / 7, np.float32), box[3] - box[1])
    return Face(box, 0.9, None, box[3] - box[1], answer.expression, answer.probability, answer.probabilities, False)


def test_portraits_stand_side_by_side_each_at_its_size() -> None:
    portrait = np.zeros((100, 60, 3), np.uint8)
    canvas, panels = shrinking_row(portrait, face_height=50, heights=(50, 25))
    assert panels == [(GAP, GAP, GAP + 60, GAP + 100), (2 * GAP + 60, GAP, 2 * GAP + 90, GAP + 50)]
    assert canvas.shape == (100 + 2 * GAP, 3 * GAP + 90, 3)
    assert canvas[GAP, GAP].tolist() == [0, 0, 0]
    assert canvas[0, 0].tolist() == canvas[GAP + 60, 2 * GAP + 60].tolist() == [128, 128, 128]


def test_a_panel_gets_the_largest_face_in_it() -> None:
    small, large, elsewhere = face((10, 10, 20, 20)), face((5, 5, 40, 40)), face((60, 0, 100, 90))
    assert largest_inside((0, 0, 50, 50), [small, large, elsewhere]) is large
    assert largest_inside((0, 60, 50, 90), [small, large, elsewhere]) is None


def test_the_portrait_is_found_at_every_size(tmp_path: Path, toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "demo.png"
    assert main(["demo", "--model", str(toy), "-o", str(target)]) == 0
    printed = capsys.readouterr().out
    assert [height for height in HEIGHTS if f"{height} px " not in printed] == []
    assert "not found" not in printed
    with Image.open(target) as picture:
        assert picture.format == "PNG"


def test_a_portrait_without_a_face_is_one_line(tmp_path: Path, toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (80, 80), "white").save(tmp_path / "blank.png")
    options = ["--portrait", str(tmp_path / "blank.png"), "-o", str(tmp_path / "demo.png")]
    assert main(["demo", "--model", str(toy), *options]) == 2
    assert "no face found" in capsys.readouterr().err
    assert not (tmp_path / "demo.png").exists()


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'fsrfer\[demo\]'"):
        bundled_portrait()
