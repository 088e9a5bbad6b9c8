"""Plots as small PNG files: a palette in which what covers much keeps its colour and nothing strays far."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsrfer.files import atomic_path
from fsrfer.types import UInt8Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXACT = 128
"""How many colours, the most frequent of a picture, are kept as they are: its background, grid, lines and most larger areas."""

TOLERANCE = 24
"""The most, of 255, by which a channel of any other colour (a shade of an edge) may change."""

_PALETTE = 256


def new_figure(width: float, height: float, dpi: int = 110) -> "Figure":
    """An empty figure, its size in inches; pages of documentation show about 900 pixels of its width."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def save_figure(figure: "Figure", target: Path) -> None:
    """Write a figure as PNG in few colours, atomically: less than a third of the usual size, so that reports can be kept.

    Raises:
        InputError: the target cannot be written.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi="figure", format="png")
    with Image.open(drawn) as picture:
        small = few_colours(np.asarray(picture.convert("RGB")))
    with atomic_path(target) as path:
        small.save(path, "PNG", optimize=True)


def few_colours(rgb: UInt8Image) -> Image.Image:
    """A picture with a palette: its `EXACT` most frequent colours exactly, all others within `TOLERANCE`.

    Args:
        rgb: uint8, height x width x 3.

    Returns:
        a picture with a palette, or the very same one in RGB where 256 colours are too few for that.
    """
    codes = rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    found, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], 1)[order]
    palette, nearest = _palette(colours)
    if len(palette) > _PALETTE:
        return Image.fromarray(rgb)
    indices = np.empty(len(found), np.uint8)
    indices[order] = nearest
    picture = Image.fromarray(indices[places].reshape(codes.shape))
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return picture


def _palette(colours: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Colours that stand for all, and which of them is the nearest to each.

    In their order, a colour joins the palette if it is among the first or far from whatever joined before it.

    Args:
        colours: int64, N x 3, the most frequent first.

    Returns:
        int64, at most 257 x 3 (257 say that 256 were too few), and int64, N.
    """
    chosen: list[int] = []
    nearest = np.zeros(len(colours), np.int64)
    distances = np.full(len(colours), 256)
    for index in range(len(colours)):
        if (index < EXACT or distances[index] > TOLERANCE) and len(chosen) <= _PALETTE:
            away = np.abs(colours - colours[index]).max(1)
            closer = away < distances
            nearest[closer], distances[closer] = len(chosen), away[closer]
            chosen.append(index)
    return colours[chosen], nearest
