import numpy as np
import pytest

from fsrfer.degradation import hiding
from fsrfer.types import UInt8Image

SIDE = 64


@pytest.fixture
def face() -> UInt8Image:
    """A grey square that is brighter the lower, with a white mouth."""
    face = np.tile(np.linspace(40, 140, SIDE).astype(np.uint8)[:, None], (1, SIDE))
    face[46:50, 22:42] = 255
    return face


@pytest.fixture
def other() -> UInt8Image:
    return np.random.default_rng(5).integers(0, 200, (30, 30), np.uint8)


@pytest.mark.parametrize("seed", range(20))
def test_what_covers_the_mouth_hides_it_and_leaves_the_brow(face: UInt8Image, other: UInt8Image, seed: int) -> None:
    rng = np.random.default_rng(seed)
    covered = hiding.mouth_covered(face, other, rng)
    assert covered.dtype == np.uint8
    assert covered.shape == face.shape
    assert (covered[46:50, 22:42] == 255).mean() < 0.35
    np.testing.assert_array_equal(covered[:8, 28:36], face[:8, 28:36])


@pytest.mark.parametrize("kind", [*hiding.COVERED, *hiding.SPOILT, "no face", "harmless"])
def test_the_same_chances_make_the_same_picture(face: UInt8Image, other: UInt8Image, kind: str) -> None:
    def made(seed: int) -> UInt8Image:
        rng = np.random.default_rng(seed)
        if kind in hiding.SPOILT:
            return hiding.SPOILT[kind](face, rng)
        if kind == "no face":
            return hiding.no_face(other, SIDE, rng)
        return hiding.harmless(face, other, rng) if kind == "harmless" else hiding.COVERED[kind](face, other, rng)

    first = made(1)
    assert (first.shape, first.dtype) == ((SIDE, SIDE), np.uint8)
    np.testing.assert_array_equal(first, made(1))
    assert any(not np.array_equal(first, made(seed)) for seed in (2, 3, 4))


def test_a_cut_below_the_eyes_takes_the_mouth_and_a_cut_at_the_chin_does_not(face: UInt8Image) -> None:
    assert (hiding.cut_off(face, "bottom", 0.6) > 200).sum() == 0
    assert (hiding.cut_off(face, "bottom", 0.95) > 200).sum() > 40
    for edge in hiding.ILLEGIBLE_FROM:
        assert hiding.cut_off(face, edge, 0.5).shape == face.shape


def test_what_is_harmless_leaves_the_mouth(face: UInt8Image, other: UInt8Image) -> None:
    for seed in range(10):
        shown = hiding.harmless(face, other, np.random.default_rng(seed))
        np.testing.assert_array_equal(shown[47:49, 26:38], face[47:49, 26:38])


def test_a_blurred_face_keeps_no_mouth(face: UInt8Image) -> None:
    blurred = [hiding.blurred(face, np.random.default_rng(seed)) for seed in range(6)]
    assert all(int(picture.max()) < 200 for picture in blurred)
