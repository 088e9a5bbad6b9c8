import csv
import json
from pathlib import Path

import numpy as np
import pytest

from fsrfer.errors import InputError
from fsrfer.labels import EXPRESSIONS
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.results import PhotoResult
from fsrfer.photo.summary import PhotosSummary


def results(toy: Path, photos: int) -> tuple[Recognizer, list[PhotoResult]]:
    recognizer, rng = Recognizer(toy), np.random.default_rng(0)
    boxes = [(10, 10, 50, 50), (60, 20, 100, 60)]
    pictures = [rng.integers(0, 256, (80, 120, 3), np.uint8) for _ in range(photos)]
    return recognizer, [recognizer.predict(picture, boxes=boxes) for picture in pictures]


@pytest.mark.parametrize("photos", [2, 3])
def test_a_folder_has_the_counts_and_the_estimate_that_a_photo_has(toy: Path, tmp_path: Path, photos: int) -> None:
    recognizer, several = results(toy, photos)
    paths = [tmp_path / "all.json", tmp_path / "all.csv"]
    for path in paths:
        summary = PhotosSummary(path)
        for result in (*several, PhotoResult.failed("x.jpg", "broken")):
            summary.add(result)
        summary.write(recognizer.info, recognizer.device)
    kept = json.loads(paths[0].read_text(encoding="utf-8"))
    assert (kept["photos"], kept["failed"], kept["without_faces"]) == (photos + 1, 1, 0)
    assert set(kept["group"]) == set(several[0].to_dict()["group"])
    assert set(kept["estimate"]) == set(several[0].to_dict()["estimate"])
    assert kept["estimate"]["counted"] == kept["group"]["faces"] == 2 * photos
    assert (kept["estimate"]["shares"]["anger"]["low"] is None) == (2 * photos < 5)
    (row,) = csv.DictReader(paths[1].read_text(encoding="utf-8").splitlines())
    for name in EXPRESSIONS:
        share = kept["estimate"]["shares"][name]
        assert [row[name], row[f"{name}_low"], row[f"{name}_high"]] == [
            "" if share[end] is None else str(share[end]) for end in ("value", "low", "high")
        ]
        assert int(row[f"count_{name}"]) == round(kept["group"]["shares"][name] * 2 * photos)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.json or \.csv"):
        PhotosSummary(tmp_path / "all.txt")
