"""Drawn crowds: discs on a ground, with answers that are given, not recognised."""

import numpy as np

from fsrfer.group.counting import count_group
from fsrfer.labels import EXPRESSIONS, by_name
from fsrfer.photo.results import PhotoResult
from fsrfer.types import Face
from support.toy_model import TOY_INFO

WIDTH, HEIGHT = 1600, 900


def crowd(count: int, name: str = "crowd.png") -> PhotoResult:
    """A photo of so many faces in rows, of all expressions, every third certain, the last too small to tell."""
    columns = int(np.ceil(np.sqrt(count * WIDTH / HEIGHT)))
    step = WIDTH / columns
    size = min(160.0, 0.6 * step)
    rgb = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    faces = []
    for index in range(count):
        row, column = divmod(index, columns)
        x, y = (column + 0.5) * step, (row + 0.5) * step * 0.95
        box = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
        x1, y1, x2, y2 = map(int, box)
        rgb[y1:y2, x1:x2] = (200, 160, 130)
        faces.append(_face(box, index, too_small=count > 1 and index == count - 1))
    return PhotoResult(name, WIDTH, HEIGHT, tuple(faces), count_group(faces), picture=rgb, info=TOY_INFO)


def _face(box: tuple[float, float, float, float], index: int, too_small: bool) -> Face:
    values = np.full(7, 0.05)
    values[index % 7] = 0.7
    certain = index % 3 == 0 and not too_small
    size = box[3] - box[1]
    return Face(box, 0.9, None, size, EXPRESSIONS[index % 7], 0.7, by_name(values), certain, too_small, size * 0.8)
