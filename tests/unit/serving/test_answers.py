"""What is withheld where nothing of single faces is told."""

import json

from fsrfer.group.estimate import estimate_group
from fsrfer.group.withholding import SmallestGroup
from fsrfer.labels import EXPRESSIONS
from fsrfer.photo.results import PhotoResult
from fsrfer.serving.answers import predicted
from fsrfer.types import Face
from support.toy_model import TOY_INFO


def photo(*shown: str) -> PhotoResult:
    """A photo of faces that show these."""
    faces = tuple(
        Face(
            (0.0, 0.0, 9.0, 9.0),
            0.9,
            None,
            9.0,
            name,
            0.4,
            {each: 0.4 if each == name else 0.1 for each in EXPRESSIONS},
            True,
        )
        for name in shown
    )
    return PhotoResult("a.jpg", 20, 10, faces, estimate_group(faces, TOY_INFO), info=TOY_INFO)


def test_without_a_smallest_group_everything_is_told() -> None:
    told = predicted([photo("anger"), photo()], TOY_INFO, "cpu", SmallestGroup())
    assert [len(one["faces"]) for one in told["photos"]] == [1, 0]
    assert told["summary"]["group"]["faces"] == 1
    assert told["summary"]["without_faces"] == 1


def test_groups_that_are_large_enough_are_told_without_faces() -> None:
    told = predicted([photo(*["anger"] * 5, "fear")], TOY_INFO, "cpu", SmallestGroup(5))
    (one,) = told["photos"]
    assert one["faces"] is None
    assert one["group"]["faces"] == 6
    assert one["group"]["shares"]["anger"] > 0.8
    assert one["group"]["shares"]["fear"] is None
    assert one["estimate"]["people"] == 6
    assert "box" not in json.dumps(told)


def test_of_few_people_nothing_is_told_not_even_how_many() -> None:
    told = [predicted([photo(*["anger"] * count)], TOY_INFO, "cpu", SmallestGroup(5)) for count in (0, 1, 4)]
    assert told[0] == told[1] == told[2]
    assert told[0]["photos"][0]["group"] is None
    assert told[0]["summary"]["estimate"] is None


def test_few_people_are_not_told_by_subtraction_either() -> None:
    many, few = photo(*["anger"] * 6), photo("fear")
    assert predicted([many, few], TOY_INFO, "cpu", SmallestGroup(5))["summary"]["group"] is None
    assert predicted([many, many], TOY_INFO, "cpu", SmallestGroup(5))["summary"]["group"]["faces"] == 12
    assert predicted([few] * 6, TOY_INFO, "cpu", SmallestGroup(5))["summary"]["group"]["faces"] == 6


def test_a_photo_that_failed_says_why() -> None:
    told = predicted([PhotoResult.failed("a.jpg", "damaged")], TOY_INFO, "cpu", SmallestGroup(5))
    assert told["photos"][0]["error"] == "damaged"
    assert told["summary"]["failed"] == 1
