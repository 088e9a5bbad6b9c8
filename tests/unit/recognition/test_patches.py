import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.recognition.patches import LOOKS, Look, best_of_each, cut, in_picture
from fsrfer.types import Detections

LOOK = Look(side=64, face=24)


def box(x: float, y: float, side: float) -> np.ndarray:
    return np.array([[x - side / 2, y - side / 2, x + side / 2, y + side / 2]], np.float32)


@given(st.floats(-50, 450), st.floats(-50, 350), st.floats(0.5, 700), st.sampled_from(LOOKS))
def test_the_middle_of_a_patch_is_the_expected_face_at_the_height_wished_for(
    x: float, y: float, side: float, look: Look
) -> None:
    expected = box(x, y, side)
    patches = cut(np.full((300, 400, 3), 200, np.uint8), expected, look)
    assert patches.pictures.shape == (1, look.side, look.side, 3)
    middle = patches.origins[0] + patches.scales[0] * look.side / 2
    assert np.abs(middle - (x, y)).max() <= 1
    if side > 20:
        assert side / patches.scales[0] == pytest.approx(look.face, rel=0.1)


def test_a_patch_shows_its_place_and_black_beyond_the_edge() -> None:
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[:200], picture[:, :200, 1] = (255, 0, 0), 255
    for side in (12, 24, 96):
        (patch,) = cut(picture, box(200, 200, side), LOOK).pictures
        assert patch[8, 8].tolist() == [255, 255, 0]
        assert patch[8, -8].tolist() == [255, 0, 0]
        assert patch[-8, 8].tolist() == [0, 255, 0]
        (corner,) = cut(picture, box(0, 0, side), LOOK).pictures
        assert not corner[:30].any()
        assert not corner[:, :30].any()
        assert corner[36, 36].tolist() == [255, 255, 0]


def test_of_each_patch_the_best_that_is_like_the_expected_face() -> None:
    centre, aside, huge = [20, 20, 44, 44], [0, 20, 20, 44], [0, 0, 60, 60]
    boxes = np.array([centre, centre, aside, huge, centre], np.float32)
    found = Detections(boxes, np.array([0.6, 0.8, 0.9, 0.95, 0.5], np.float32), np.zeros((5, 5, 2), np.float32))
    assert best_of_each(found, np.array([0, 0, 0, 1, 3]), LOOK).tolist() == [1, 4]


def test_what_is_found_in_a_patch_lies_in_the_picture() -> None:
    patches = cut(np.zeros((200, 200, 3), np.uint8), np.concatenate([box(50, 60, 12), box(120, 100, 48)]), LOOK)
    middle = Detections(
        np.array([[20, 20, 44, 44]], np.float32), np.ones(1, np.float32), np.full((1, 5, 2), 32, np.float32)
    )
    for number, (x, y, side) in enumerate([(50, 60, 12), (120, 100, 48)]):
        found = in_picture(middle, patches, np.array([number]))
        np.testing.assert_allclose(found.boxes, box(x, y, side), atol=1)
        assert found.landmarks is not None
        np.testing.assert_allclose(found.landmarks[0, 0], (x, y), atol=1)
