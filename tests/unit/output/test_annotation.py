from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageFont

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.annotation import LEGIBLE_FACE, annotate
from fsrfer.output.legend import Legend
from fsrfer.output.placing import Ground, place_labels
from fsrfer.types import Box, Face


def face(box: Box, certain: bool = True, expression: str = "happiness") -> Face:
    return Face(box, 0.9, None, box[3] - box[1], expression, 0.6, dict.fromkeys(EXPRESSIONS, 1 / 7), certain)


def font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(14)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def overlap(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0) * max(height, 0)


def crowd(step: int, size: int) -> list[Box]:
    return [(x, y, x + size, y + size * 1.3) for y in range(60, 500, step) for x in range(60, 900, step)]


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


@pytest.mark.parametrize(("step", "size", "labelled"), [(140, 60, 1.0), (70, 20, 0.9), (30, 22, 0.05)])
def test_labels_cover_neither_each_other_nor_any_face(step: int, size: int, labelled: float) -> None:
    boxes = crowd(step, size)
    placed = place_labels(Ground((1000, 600), boxes), boxes, [(64.0, 16.0)] * len(boxes))
    labels = [label for label in placed if label is not None]
    assert len(labels) >= labelled * len(boxes)
    assert not any(overlap(one, other) for index, one in enumerate(labels) for other in labels[:index])
    assert not any(overlap(label, box) for label in labels for box in boxes)


def test_a_label_stands_beside_its_own_face() -> None:
    boxes = crowd(70, 20)
    for box, label in zip(
        boxes, place_labels(Ground((1000, 600), boxes), boxes, [(64.0, 16.0)] * len(boxes)), strict=True
    ):
        if label is not None:
            x1, y1, x2, y2 = box
            assert overlap(label, (x1 - 3, y1 - 3, x2 + 3, y2 + 3)) > 0


def test_labels_stay_inside_the_drawing() -> None:
    boxes: list[Box] = [(0, 0, 20, 25), (380, 0, 400, 25), (0, 275, 20, 300), (380, 275, 400, 300)]
    for label in place_labels(Ground((400, 300), boxes), boxes, [(90.0, 18.0)] * 4):
        assert label is not None
        x1, y1, x2, y2 = label
        assert min(x1, y1) >= 0
        assert x2 <= 400
        assert y2 <= 300


def test_in_a_crowd_every_face_is_seen_and_none_is_hidden() -> None:
    photo = np.full((600, 1000, 3), 90, np.uint8)
    boxes = crowd(24, 16)
    drawn = np.asarray(annotate(photo, [face(box, index % 3 == 0) for index, box in enumerate(boxes)], zoom=1))
    assert len(boxes) > 600
    for x1, y1, x2, y2 in boxes:
        assert (drawn[int(y1) + 2 : int(y2) - 2, int(x1) + 2 : int(x2) - 2] == 90).all()
        assert (drawn[int(y1) - 2 : int(y2) + 2, int(x1) - 2 : int(x2) + 2] != 90).any()


@pytest.mark.parametrize("keep_size", [False, True])
def test_a_legend_covers_no_face_and_frames_keep_their_size(keep_size: bool) -> None:
    boxes: list[Box] = [(x, y, x + 18, y + 18) for y in range(0, 300, 20) for x in range(0, 400, 20)]
    photo = np.full((300, 400, 3), 90, np.uint8)
    drawn = annotate(photo, [face(box) for box in boxes], zoom=1, keep_size=keep_size)
    assert drawn.width == 400
    assert (drawn.height == 300) == keep_size
    inner = np.asarray(drawn)[:300]
    assert all((inner[int(y1) + 1 : int(y2) - 1, int(x1) + 1 : int(x2) - 1] == 90).all() for x1, y1, x2, y2 in boxes)


def test_a_legend_counts_what_has_no_label() -> None:
    boxes = crowd(24, 16)
    faces = [face(box, index % 2 == 0, "anger" if index % 4 else "fear") for index, box in enumerate(boxes)]
    faces[0] = replace(faces[0], too_small=True, certain=False)
    texts = [entry.text for entry in Legend.of(faces, font()).entries]
    told = faces[1:]
    assert texts == [
        f"anger {sum(one.expression == 'anger' for one in told)}",
        f"fear {sum(one.expression == 'fear' for one in told)}",
        f"uncertain {sum(not one.certain for one in told)}",
        "too small 1",
    ]
    assert Legend.of(faces[3:4], font()).entries[0].text == "anger? 60%"


def test_a_face_that_fills_the_picture_is_named_below_it() -> None:
    drawn = annotate(np.full((48, 48, 3), 90, np.uint8), [face((0, 0, 48, 48))], zoom=1)
    assert drawn.height > 48
    assert (np.asarray(drawn)[2:46, 2:46] == 90).all()


@pytest.mark.parametrize("size", [8, 12, 20, 60])
def test_an_uncertain_outline_is_broken_at_any_size_and_keeps_its_corners(size: int) -> None:
    photo = np.full((200, 200, 3), 90, np.uint8)
    box = (80.0, 80.0, 80.0 + size, 80.0 + size)
    whole, dashed = (
        np.asarray(annotate(photo, [face(box, certain)], zoom=1))[79, 79 : 81 + size] for certain in (True, False)
    )
    yellow = np.array([255, 225, 74])
    assert (whole == yellow).all(axis=1).mean() > 0.9
    gaps = ~(dashed == yellow).all(axis=1)
    assert 0.2 < gaps.mean() < 0.7
    assert not gaps[[0, 1, -2, -1]].any()


def test_a_face_too_small_to_tell_has_no_expression() -> None:
    photo = np.full((200, 200, 3), 90, np.uint8)
    small = replace(face((80, 80, 85, 85), certain=False), too_small=True)
    grey = np.asarray(annotate(photo, [small], zoom=1)).astype(int)
    assert (np.ptp(grey, axis=2) == 0).all()


def test_labels_grow_with_the_picture() -> None:
    def label(side: int) -> float:
        drawn = np.asarray(annotate(np.full((side, side, 3), 90, np.uint8), [face((300, 300, 400, 400))]))
        rows = np.nonzero((drawn != 90).any(axis=(1, 2)))[0]
        return float(rows[-1] - rows[0])

    assert label(4000) > label(800) + 15
