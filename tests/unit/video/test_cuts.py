import numpy as np
from PIL import Image

from fsrfer.video.cuts import CutDetector


def scene(seed: int, size: tuple[int, int] = (120, 90)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def test_another_scene_is_a_cut_and_the_first_frame_is_none() -> None:
    cuts = CutDetector()
    shown = [scene(1), scene(1), scene(2), scene(2), scene(1)]
    assert [cuts.is_cut(frame) for frame in shown] == [False, False, True, False, True]


def test_movement_and_light_are_no_cuts() -> None:
    wide = scene(3, (240, 90))
    for change in (
        lambda step: wide[:, 4 * step : 4 * step + 120],  # the camera pans
        lambda step: np.clip(wide[:, :120].astype(int) * (1 - 0.12 * step), 0, 255).astype(np.uint8),  # it gets dark
        lambda step: np.clip(wide[:, :120] + np.random.default_rng(step).normal(0, 12, (90, 120, 3)), 0, 255).astype(
            np.uint8
        ),
    ):
        cuts = CutDetector()
        assert not any(cuts.is_cut(np.ascontiguousarray(change(step))) for step in range(6))


def test_light_switched_off_is_the_same_picture() -> None:
    cuts = CutDetector()
    bright = scene(4)
    assert not cuts.is_cut(bright)
    assert not cuts.is_cut((bright * 0.4).astype(np.uint8))


def test_a_flash_is_no_cut_and_a_black_frame_hides_none() -> None:
    white, black = np.full((90, 120, 3), 255, np.uint8), np.zeros((90, 120, 3), np.uint8)
    cuts = CutDetector()
    assert [cuts.is_cut(frame) for frame in (scene(1), white, scene(1), black, scene(1))] == [False] * 5
    assert [cuts.is_cut(frame) for frame in (black, scene(2))] == [False, True]
