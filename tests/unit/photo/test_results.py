import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from fsrfer.group.counting import count_group
from fsrfer.labels import EXPRESSIONS
from fsrfer.output.rows import CROP_COLUMNS, FACE_COLUMNS
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.types import Expression, Face


def face(
    winner: str, certain: bool = True, too_small: bool = False, top: float = 0.7, effective_px: float | None = None
) -> Face:
    rest = (1 - top) / 6
    probabilities = {name: top if name == winner else rest for name in EXPRESSIONS}
    points = tuple((float(index), float(index) + 0.123) for index in range(5))
    box = (1.0, 2.0, 11.004, 22.0)
    return Face(box, 0.91234, points, 20.0, winner, top, probabilities, certain, too_small, effective_px)


def photo(*faces: Face) -> PhotoResult:
    return PhotoResult("fête.jpg", 100, 50, faces, count_group(faces))


def test_a_group_counts_all_faces_and_averages_those_large_enough() -> None:
    group = count_group(
        [face("fear"), face("anger", certain=False), face("anger"), face("disgust", False, too_small=True)]
    )
    assert (group.faces, group.uncertain, group.too_small) == (4, 2, 1)
    assert group.shares["anger"] == pytest.approx(2 / 3, abs=1e-6)
    assert group.shares["disgust"] == 0
    assert sum(group.mean_probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert group.mean_probabilities["fear"] == pytest.approx((0.7 + 0.05 + 0.05) / 3, abs=1e-6)


def test_no_faces_have_no_shares() -> None:
    assert set(count_group([]).shares.values()) == {0}
    assert set(count_group([face("fear", False, too_small=True)]).mean_probabilities.values()) == {0}


def test_the_dictionary_has_the_published_fields_and_survives_json() -> None:
    values = photo(face("happiness")).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert set(values) >= {"source", "width", "height", "error", "faces", "group"}
    assert set(values["group"]) >= {"faces", "uncertain", "shares", "mean_probabilities"}
    (only,) = values["faces"]
    assert set(only) >= {"box", "detection_score", "landmarks", "size_px", "expression", "probability", "certain"}
    assert tuple(only["probabilities"]) == EXPRESSIONS
    assert only["box"] == [1, 2, 11, 22]
    assert np.shape(only["landmarks"]) == (5, 2)


def test_small_probabilities_are_not_rounded_away() -> None:
    values = photo(face("happiness", top=0.9999)).to_dict()["faces"][0]["probabilities"]
    assert sum(values.values()) == pytest.approx(1, abs=1e-5)
    assert all(value > 0 for value in values.values())


def test_one_row_a_face_and_one_for_a_photo_without() -> None:
    rows = photo(face("happiness"), face("fear")).to_rows()
    assert [row["face"] for row in rows] == [0, 1]
    assert (rows[1]["x1"], rows[1]["y2"], rows[1]["expression"]) == (1, 22, "fear")
    for result in (photo(), PhotoResult.failed("x.png", "x.png: no such file")):
        (row,) = result.to_rows()
        assert row["expression"] is None
        assert row["error"] == result.error
    assert all(set(row) == set(FACE_COLUMNS) for row in rows)


def test_a_data_frame_has_a_row_a_face() -> None:
    pytest.importorskip("pandas")
    frame = photo(face("happiness"), face("fear")).to_dataframe()
    assert list(frame.columns) == list(FACE_COLUMNS)
    assert frame["expression"].tolist() == ["happiness", "fear"]
    assert frame["probability"].mean() == pytest.approx(0.7)
    empty = photo().to_dataframe()
    assert (len(empty), list(empty.columns)) == (0, list(FACE_COLUMNS))


def test_results_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        photo().error = "no"  # type: ignore[misc]


def test_effective_heights_stand_beside_heights_in_every_form() -> None:
    result = photo(face("fear", effective_px=9.876), face("fear"))
    assert [each["effective_px"] for each in result.to_dict()["faces"]] == [9.88, None]
    assert [row["effective_px"] for row in result.to_rows()] == [9.88, None]
    crop = CropResult("a.png", Expression(12.0, "fear", 0.5, dict.fromkeys(EXPRESSIONS, 0.5), False, 9.876))
    assert crop.to_dict()["effective_px"] == crop.to_rows()[0]["effective_px"] == 9.88
    for columns in (FACE_COLUMNS, CROP_COLUMNS):
        assert columns[columns.index("size_px") + 1] == "effective_px"


def test_effective_heights_are_numbers_in_a_data_frame_even_if_unknown() -> None:
    pytest.importorskip("pandas")
    frames = [photo(face("fear", effective_px=9.5), face("fear")).to_dataframe(), photo(face("fear")).to_dataframe()]
    assert frames[0]["effective_px"].tolist()[0] == 9.5
    assert [frame["effective_px"].isna().tolist() for frame in frames] == [[False, True], [True]]
    assert [str(frame["effective_px"].dtype) for frame in frames] == ["float64"] * 2


def test_a_crops_answer_and_its_failure_have_the_same_fields() -> None:
    probabilities = dict.fromkeys(EXPRESSIONS, 1 / 7)
    good = CropResult("a.png", Expression(12.0, "fear", 1 / 7, probabilities, False))
    bad = CropResult("b.png", None, "b.png: the file is empty")
    assert set(good.to_dict()) == set(bad.to_dict())
    assert good.to_dict()["certain"] is False
    assert bad.to_dict()["probabilities"] is None
    assert [set(result.to_rows()[0]) for result in (good, bad)] == [set(CROP_COLUMNS)] * 2
    assert good.to_rows()[0]["disgust"] == pytest.approx(1 / 7, abs=1e-6)
