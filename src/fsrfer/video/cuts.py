"""Hard cuts, noticed from the whole picture: who is seen after one is not who was seen before at the same place."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsrfer.types import UInt8Image

SIDE = (48, 27)
"""Width and height of what is kept of the last frame: too little to know anyone by."""

SAMPLES = 4
"""Pixels across and down for each of these, of a large frame: all of them would take longer than to find known faces again."""

BINS = 8
"""Of each colour channel in the histogram."""

OTHER_COLOURS = 0.5
"""Share of the pixels whose colours have changed, from which a picture may be another one. Within a shot it is below 0.2."""

SAME_SHAPES = 0.95
"""Correlation from which it is the same picture in another light."""

FLAT = 2.0
"""Standard deviation in grey levels below which a picture shows nothing, whatever its light."""


class CutDetector:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self._last: NDArray[np.float64] | None = None
        self._shape: tuple[int, ...] | None = None

    def is_cut(self, rgb: UInt8Image) -> bool:
        """Whether the next frame shows another scene than the last; the first frame does not.

        Args:
            rgb: height x width x 3.
        """
        shape, self._shape = self._shape, rgb.shape
        if shape not in (None, rgb.shape):  # a camera that came back with other settings
            self._last = None
            return True
        step = max(1, min(rgb.shape[1] // SIDE[0], rgb.shape[0] // SIDE[1]) // SAMPLES)
        sampled = np.ascontiguousarray(rgb[::step, ::step])
        small = np.asarray(Image.fromarray(sampled).resize(SIDE, Image.Resampling.BOX), np.float64)
        if small.std() < FLAT:  # a flash, a black frame between: the next picture is compared with the one before
            return False
        last, self._last = self._last, small
        if last is None:
            return False
        changed = 0.5 * np.abs(_colours(small) - _colours(last)).sum()
        return bool(changed > OTHER_COLOURS and _correlation(small, last) < SAME_SHAPES)


def _colours(small: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the pixels in each bin of a colour histogram."""
    counts, _ = np.histogramdd(small.reshape(-1, 3), bins=(BINS,) * 3, range=[(0, 256)] * 3)
    return np.asarray(counts / counts.sum())


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
