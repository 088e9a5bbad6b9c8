"""Models compared face by face: differences and spreads worked out by hand, and the command on made faces."""

import json
import sys

import numpy as np
import pytest

import face_by_face
from face_by_face import Judged, differences, spread

FACTORS = [1.0, 2.0]


def judged(*right, accuracy=0.0):
    row = {"x1": accuracy, "x2": accuracy, "mean": accuracy}
    return Judged(row, row, np.array(right, bool))


def test_differences_are_of_the_same_faces_and_their_mean_is_over_factors():
    one, other = judged([1, 1, 1, 0], [1, 1, 0, 0]), judged([1, 1, 0, 0], [0, 0, 0, 0])
    found = differences(one, other, FACTORS)
    assert [found[key].mean for key in ("x1", "x2", "mean")] == pytest.approx([0.25, 0.5, 0.375])
    low, high = found["x2"].interval
    assert low < 0.5 < high


def test_a_model_is_not_above_itself():
    one = judged([1, 0, 1, 0], [1, 1, 0, 0])
    assert {d.interval for d in differences(one, one, FACTORS).values()} == {(0.0, 0.0)}


def test_spread_is_the_mean_and_deviation_of_seeds():
    found = spread([judged([1], accuracy=value) for value in (80.0, 82.0, 84.0)])
    assert found["accuracy"]["mean"]["x1"] == pytest.approx(82)
    assert found["accuracy"]["deviation"]["mean"] == pytest.approx(2)  # (4 + 0 + 4) / (3 - 1), and its root


def test_the_command_compares_model_files(rafdb, tmp_path, monkeypatch, capsys):
    words = f"fast default --seeds --against fast --data rafdb={rafdb}:test --factors 1,4 --folder {tmp_path / 'kept'}"
    for name in ("first.json", "again.json"):  # the second time from the answers that are kept
        monkeypatch.setattr(sys, "argv", ["face_by_face.py", *words.split(), "--json", str(tmp_path / name)])
        face_by_face.main()
    first, again = (json.loads((tmp_path / name).read_text()) for name in ("first.json", "again.json"))
    assert first["data"] == again["data"]
    found = first["data"]["rafdb test"]
    assert {row["mean"] for row in found["against"]["fast"].values()} == {0.0}
    means = [found["models"][name]["accuracy"]["mean"] for name in ("fast", "default")]
    assert found["seeds"]["accuracy"]["mean"]["mean"] == pytest.approx(sum(means) / 2)
    assert found["against"]["default"]["mean"]["mean"] == pytest.approx((means[1] - means[0]) / 100)
    assert "rafdb test" in capsys.readouterr().out
