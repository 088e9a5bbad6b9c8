"""Where labels and legends find room on a picture without covering a face."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fsrfer.types import Box

Size = tuple[float, float]

CELLS = 1200
"""Along a picture's longer side; what touches a cell takes it all."""

GAP = 2
"""Between a face and its label, in pixels."""


class Ground:
    """A picture's area, of which parts are taken."""

    def __init__(self, size: tuple[int, int], taken: Sequence[Box] = ()):
        """All is free but the boxes ``taken`` (``xyxy``) and what lies outside ``size`` (width and height)."""
        self._size = size
        self._cell = max(1, -(-max(size) // CELLS))
        self._cells = np.zeros((-(-size[1] // self._cell), -(-size[0] // self._cell)), bool)
        for box in taken:
            self.take(box)

    def take(self, box: Box) -> None:
        """Nothing else may stand there."""
        self._cells[self._within(box)] = True

    def is_free(self, box: Box) -> bool:
        """Whether a box lies inside the picture and touches nothing."""
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= self._size[0] and box[3] <= self._size[1]
        return inside and not self._cells[self._within(box)].any()

    def free_box(self, size: Size) -> Box | None:
        """The free place for something of a width and height that is nearest to a corner, or None."""
        columns, rows = (-(-int(np.ceil(side)) // self._cell) for side in size)
        height, width = self._cells.shape
        if rows > height or columns > width:
            return None
        sums = np.pad(self._cells.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32), ((1, 0), (1, 0)))
        covered = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        y, x = np.nonzero(covered == 0)
        if not len(x):
            return None
        distance = np.minimum(x, width - columns - x) + np.minimum(y, height - rows - y)
        best = int(np.argmin(distance))
        left, top = (
            float(min(start * self._cell, whole - side))
            for start, whole, side in zip((int(x[best]), int(y[best])), self._size, size, strict=True)
        )
        return (left, top, left + size[0], top + size[1])

    def _within(self, box: Box) -> tuple[slice, slice]:
        x1, y1 = (max(0, int(value // self._cell)) for value in box[:2])
        x2, y2 = (max(0, int(-(-value // self._cell))) for value in box[2:])
        return slice(y1, y2), slice(x1, x2)


def place_labels(ground: Ground, boxes: Sequence[Box], sizes: Sequence[Size]) -> list[Box | None]:
    """A place for each label beside its box where it covers no face and no other label; the largest faces choose first.

    Args:
        ground: the picture, on which the boxes are taken already; the labels' places are taken too.
        boxes: the faces, ``xyxy``.
        sizes: width and height of each label.

    Returns:
        One box a label, in the same order; None where there is no such place.
    """
    placed: list[Box | None] = [None] * len(boxes)
    for index in _largest_first(boxes):
        places = _places_beside(boxes[index], sizes[index])
        placed[index] = place = next((place for place in places if ground.is_free(place)), None)
        if place is not None:
            ground.take(place)
    return placed


def _largest_first(boxes: Sequence[Box]) -> NDArray[np.intp]:
    corners = np.array(boxes, float).reshape(-1, 4)
    return np.argsort(-(corners[:, 2:] - corners[:, :2]).prod(axis=1), kind="stable")


def _places_beside(box: Box, size: Size) -> Iterator[Box]:
    """Above and below, then to the right and left, each in the middle and at both ends."""
    x1, y1, x2, y2 = box
    width, height = size
    columns = ((x1 + x2 - width) / 2, x1, x2 - width)
    rows = ((y1 + y2 - height) / 2, y1, y2 - height)
    for y in (y1 - height - GAP, y2 + GAP):
        yield from ((x, y, x + width, y + height) for x in columns)
    for x in (x2 + GAP, x1 - width - GAP):
        yield from ((x, y, x + width, y + height) for y in rows)
