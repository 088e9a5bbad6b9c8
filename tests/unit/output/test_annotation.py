import numpy as np
import pytest

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.annotation import COLOURS, LEGIBLE_FACE, annotate, place_labels
from fsrfer.types import Box, Face


def face(box: Box, certain: bool = True, expression: str = "happiness") -> Face:
    return Face(box, 0.9, None, box[3] - box[1], expression, 0.6, dict.fromkeys(EXPRESSIONS, 1 / 7), certain)


def overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0) * max(height, 0)


def crowd(step: int, size: int) -> list[Box]:
    return [(x, y, x + size, y + size * 1.3) for y in range(60, 500, step) for x in range(60, 900, step)]


def test_every_expression_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(EXPRESSIONS)
    assert len(set(COLOURS.values())) == 7


def test_the_photo_itself_is_left_alone_and_a_readable_one_keeps_its_size() -> None:
    photo = np.full((300, 400, 3), 90, np.uint8)
    drawn = annotate(photo, [face((100, 100, 160, 180))])
    assert (photo == 90).all()
    assert drawn.size == (400, 300)
    assert (np.asarray(drawn) != 90).any()


def test_the_face_itself_is_not_painted_over() -> None:
    photo = np.full((300, 400, 3), 90, np.uint8)
    inner = np.asarray(annotate(photo, [face((100, 100, 160, 180))]))[105:175, 105:155]
    assert (inner == 90).all()


def test_tiny_faces_are_enlarged_until_they_can_be_seen() -> None:
    photo = np.zeros((120, 200, 3), np.uint8)
    drawn = annotate(photo, [face((50, 50, 57, 59)), face((100, 50, 107, 59))])
    zoom = drawn.width / 200
    assert zoom == drawn.height / 120 == round(zoom)
    assert 9 * zoom >= LEGIBLE_FACE


def test_uncertain_faces_look_different() -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    pictures = [np.asarray(annotate(photo, [face((100, 100, 160, 180), certain)])) for certain in (True, False)]
    frames = [picture[100:180, 98:103].any(axis=(1, 2)).mean() for picture in pictures]
    assert frames[0] == 1
    assert frames[1] < 0.8


def test_no_faces_and_the_smallest_picture_are_no_trouble() -> None:
    photo = np.zeros((1, 1, 3), np.uint8)
    assert annotate(photo, []).size == (1, 1)
    assert annotate(photo, [face((0, 0, 1, 1))]).size >= (1, 1)


@pytest.mark.parametrize(("step", "size"), [(140, 60), (70, 20)])
def test_labels_cover_neither_each_other_nor_faces_much(step: int, size: int) -> None:
    boxes = crowd(step, size)
    labels = place_labels((1000, 600), boxes, [(64.0, 16.0)] * len(boxes))
    area = 64 * 16
    covered = [sum(overlap(label, other) for other in labels if other is not label) / area for label in labels]
    hidden = [sum(overlap(label, box) for box in boxes) / area for label in labels]
    assert np.mean(covered) < 0.05
    assert np.mean(hidden) < 0.25


def test_labels_stay_inside_the_drawing() -> None:
    boxes: list[Box] = [(0, 0, 20, 25), (380, 0, 400, 25), (0, 275, 20, 300), (380, 275, 400, 300)]
    for x1, y1, x2, y2 in place_labels((400, 300), boxes, [(90.0, 18.0)] * 4):
        assert min(x1, y1) >= 0
        assert x2 <= 400
        assert y2 <= 300
