"""The user's own face boxes: as detections, and from a JSON or CSV file."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsrfer.errors import InputError
from fsrfer.texts import read_text
from fsrfer.types import Box, Detections, check_box

Boxes = list[list[float]]

COLUMNS = ("source", "x1", "y1", "x2", "y2")

HELP = """\
the file of --boxes:
  JSON  {"crowd.jpg": [[x1, y1, x2, y2], ...], ...}, or for a single photo just the list of its boxes
  CSV   one row a face under the header source,x1,y1,x2,y2 (empty numbers: a photo without faces)
  Numbers are pixels of the upright photo, from its top left corner. A photo is named as on the command
  line, or by its file name alone; one without an entry is an error. Boxes are cut to the photo; one that
  lies wholly outside is an error for that photo."""


class BoxFile:
    """Boxes by photo."""

    def __init__(self, path: Path, by_source: Mapping[str, Boxes]):
        self._path = path
        self._by_source = by_source

    def boxes_for(self, source: str) -> Boxes:
        """The boxes of one photo, named by its whole source or its file name alone.

        Raises:
            InputError: the file does not name this photo.
        """
        for name in (source, Path(source).name, ""):
            if name in self._by_source:
                return self._by_source[name]
        raise InputError(
            f"{source}: {self._path} has no boxes for this photo; give it an entry (an empty one for no face)"
        )


def read_boxes(path: Path, photos: Sequence[str]) -> BoxFile:
    """Read a file of boxes, JSON or CSV by its suffix.

    Args:
        path: see `HELP` for what it holds.
        photos: that it is for; a bare list of boxes can serve only one.

    Raises:
        InputError: unreadable, not as described in `HELP`, or with a short name that fits several photos.
    """
    text = read_text(path)
    try:
        by_source = _from_csv(text, path) if path.suffix.lower() == ".csv" else _from_json(text, path)
    except (ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"{path}: neither JSON nor CSV of boxes ({error}); see: fsrfer predict --help") from error
    if "" in by_source and len(photos) != 1:
        raise InputError(f"{path}: a bare list of boxes serves one photo, not {len(photos)}; give each photo's name")
    _require_unambiguous(by_source, photos, path)
    return BoxFile(path, by_source)


def _require_unambiguous(by_source: Mapping[str, Boxes], photos: Sequence[str], path: Path) -> None:
    for name in by_source:
        fitting = [photo for photo in photos if photo != name and photo not in by_source and Path(photo).name == name]
        if name and len(fitting) + (name in photos) > 1:
            raise InputError(f"{path}: {name} fits {fitting[0]} and {fitting[-1]}; name each by its whole path")


def _from_json(text: str, path: Path) -> dict[str, Boxes]:
    content: Any = json.loads(text)
    by_source = {"": content} if isinstance(content, list) else content
    if not isinstance(by_source, dict):
        raise InputError(f"{path}: needs a mapping from photos to lists of boxes, or one list of boxes")
    return {name: _boxes(boxes, f"{path}: {name or 'the list'}") for name, boxes in by_source.items()}


def _boxes(boxes: Any, where: str) -> Boxes:
    is_list_of_boxes = isinstance(boxes, list) and all(isinstance(box, list) and len(box) == 4 for box in boxes)
    if not is_list_of_boxes or not all(type(value) in (int, float) for box in boxes for value in box):
        raise InputError(f"{where}: needs a list of boxes [x1, y1, x2, y2]")
    return [[float(value) for value in box] for box in boxes]


def _from_csv(text: str, path: Path) -> dict[str, Boxes]:
    reader = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise InputError(f"{path}: the header lacks {', '.join(missing)}; it needs {','.join(COLUMNS)}")
    by_source: dict[str, Boxes] = {}
    for number, row in enumerate(reader, start=2):
        boxes = by_source.setdefault(row["source"], [])
        if not any(row[name] for name in COLUMNS[1:]):
            continue
        try:
            boxes.append([float(row[name]) for name in COLUMNS[1:]])
        except (TypeError, ValueError):
            raise InputError(f"{path}: line {number}: x1, y1, x2 and y2 must be numbers") from None
    return by_source


def user_boxes(boxes: ArrayLike, height: int, width: int, name: str) -> Detections:
    """The user's own boxes as detections: cut to the picture, scored 1, without landmarks.

    Args:
        boxes: N x 4, ``xyxy`` in pixels of a picture of ``height`` x ``width``.
        name: of the picture, for messages.

    Raises:
        InputError: a box is none, or lies wholly outside the picture; the message says which.
    """
    checked = [_check_inside(box, number, height, width, name) for number, box in enumerate(_rows_of_four(boxes, name))]
    corners = np.array(checked, np.float32).reshape(-1, 4)
    return Detections(corners, np.ones(len(checked), np.float32))


def _rows_of_four(boxes: ArrayLike, name: str) -> list[list[float]]:
    try:
        rows = np.asarray(boxes, np.float64)
    except (TypeError, ValueError):
        rows = np.zeros((1, 0))
    if rows.size == 0 and rows.ndim < 2:
        return []
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise InputError(f"{name}: boxes must be N rows of four numbers x1, y1, x2, y2")
    return [[float(value) for value in row] for row in rows]


def _check_inside(box: Sequence[float], number: int, height: int, width: int, name: str) -> Box:
    x1, y1, x2, y2 = check_box(tuple(box), f"{name}: box {number}")
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise InputError(
            f"{name}: box {number} {[x1, y1, x2, y2]} lies outside the picture of {width} x {height} pixels"
        )
    return inside
