"""Where a closer look is worth its cost: rectangles about the places that may hold a small face."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fsrfer.types import FloatArray

Rectangle = tuple[int, int, int, int]
"""``(x1, y1, x2, y2)`` in whole pixels of the picture."""

CELL = 16
"""Pixels; places are marked on a grid this fine."""

WORTH = 8
"""Cells: skipping fewer of them saves less than one more call of the network costs, enlarged as they are."""


def cover(boxes: FloatArray, margin: float, height: int, width: int) -> list[Rectangle]:
    """Few rectangles, no two of which share a pixel, that hold every box with a margin.

    Args:
        boxes: N x 4, ``xyxy`` in pixels.
        margin: pixels kept about each box, where the picture has them.
        height, width: of the picture.

    Example:
        >>> cover(np.array([[20, 20, 30, 30], [600, 30, 620, 50]], np.float32), 10, 100, 1000)
        [(0, 0, 48, 48), (576, 16, 640, 64)]
    """
    marked = np.zeros((-(-height // CELL), -(-width // CELL)), bool)
    limits = np.array([width, height, width, height])
    corners = (boxes + np.array([-margin, -margin, margin, margin])).clip(0, limits)
    first, end = np.floor(corners[:, :2] / CELL).astype(int), np.ceil(corners[:, 2:] / CELL).astype(int)
    for (left, top), (right, bottom) in np.unique(np.stack([first, end], axis=1), axis=0).tolist():
        marked[top:bottom, left:right] = True
    return [
        (x * CELL, y * CELL, min((x + wide) * CELL, width), min((y + high) * CELL, height))
        for x, y, wide, high in _rectangles(marked)
    ]


def _rectangles(marked: NDArray[np.bool_]) -> Iterator[Rectangle]:
    """``(x, y, width, height)`` in cells: the smallest rectangle about all marks, or those on both sides of a gap."""
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return
    top, left = int(rows[0]), int(columns[0])
    inner = marked[top : rows[-1] + 1, left : columns[-1] + 1]
    (gap_y, high), (gap_x, wide) = _widest_gap(rows), _widest_gap(columns)
    across_y, across_x = high * inner.shape[1], wide * inner.shape[0]
    if max(across_y, across_x) < WORTH:
        yield left, top, inner.shape[1], inner.shape[0]
    elif across_y >= across_x:
        yield from _shifted(_rectangles(inner[: gap_y - top]), left, top)
        yield from _shifted(_rectangles(inner[gap_y - top :]), left, gap_y)
    else:
        yield from _shifted(_rectangles(inner[:, : gap_x - left]), left, top)
        yield from _shifted(_rectangles(inner[:, gap_x - left :]), gap_x, top)


def _widest_gap(places: NDArray[np.int_]) -> tuple[int, int]:
    """Where the widest run of unmarked rows (or columns) begins, and how many they are."""
    steps = np.diff(places)
    if not steps.size:
        return 0, 0
    at = int(steps.argmax())
    return int(places[at]) + 1, int(steps[at]) - 1


def _shifted(rectangles: Iterator[Rectangle], x: int, y: int) -> Iterator[Rectangle]:
    for left, top, wide, high in rectangles:
        yield left + x, top + y, wide, high
