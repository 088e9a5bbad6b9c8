"""The page on cost holds what the command prints."""

import sys
from pathlib import Path

import pytest

import cost

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "cost-at-scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words", ["--photos 1e6", "--photos 1e9", "--photos 1e9 --detector fast --model fast", "--scenarios"]
)
def test_the_page_holds_what_is_printed(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cost.py", *words.split()])
    cost.main()
    assert capsys.readouterr().out.strip() in PAGE


def test_a_larger_photo_than_measured_goes_on_in_proportion():
    parts = {
        "decode_seconds": {"2": 0.1, "12": 0.6}, "detect_seconds": {"fast": {"2": 0.2, "12": 1.2}},
        "seconds_a_face": {"fast": 0.01}, "seconds_a_photo_row": 0.0, "seconds_a_face_row": 0.0,
    }  # fmt: skip
    photo = {
        "photos": 1,
        "megabytes": 1.0,
        "faces": 3.0,
        "detector": "fast",
        "model": "fast",
        "processors": 16,
        "efficiency": 1.0,
    }
    prices = {"processor_hour": 1.0, "gigabyte_month": 1.0, "thousand_requests": 1.0, "network": 1.0}
    seconds = [
        sum(cost.seconds_a_photo(cost.Archive(megapixels=size, **photo, **prices), parts).values())
        for size in (7, 12, 24)
    ]
    assert seconds == pytest.approx([0.35 + 0.7 + 0.03, 0.6 + 1.2 + 0.03, 1.2 + 2.4 + 0.03])
