"""All photos of a run as one group: plain counts and the estimate, under the keys that a photo and a video have them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsrfer.errors import InputError
from fsrfer.files import is_special, write_text
from fsrfer.group.estimate import Tally, estimate
from fsrfer.model_file import ModelInfo
from fsrfer.output.rows import ANSWER_COUNT_COLUMNS, SHARE_COLUMNS, csv_header, csv_lines, share_cells
from fsrfer.photo.results import PhotoResult

_PHOTOS = ("photos", "failed", "without_faces")
_COUNTS = ("faces", "counted", "people", "too_small", "uncertain", "corrected")

SUMMARY_COLUMNS = (*_PHOTOS, *_COUNTS, *SHARE_COLUMNS, *ANSWER_COUNT_COLUMNS)
"""Of a summary as CSV, which has one row."""


class PhotosTally:
    """Takes results one by one, in constant memory, and tells what they say together.

    Attributes:
        faces: of all photos.
        photos: how many there were, how many failed, and how many others showed no face.
    """

    def __init__(self) -> None:
        self.faces = Tally()
        self.photos = dict.fromkeys(_PHOTOS, 0)

    def add(self, result: PhotoResult) -> None:
        """Take one photo."""
        self.photos["photos"] += 1
        self.photos["failed"] += result.error is not None
        self.photos["without_faces"] += result.error is None and not result.faces
        self.faces.merge(result.tally())

    def to_dict(self, info: ModelInfo, device: str) -> dict[str, Any]:
        """All photos as plain values that JSON can hold; ``info`` is of the model that gave the answers on a ``device``."""
        group = estimate(self.faces, info)
        return {**self.photos, "device": device, "group": self.faces.group.to_dict(), "estimate": group.to_dict()}


class PhotosSummary:
    """Takes results one by one, in constant memory, and writes what they say together."""

    def __init__(self, path: Path) -> None:
        """Begin a summary that will be written to a file; a device or pipe gets JSON.

        Raises:
            InputError: the name says neither JSON nor CSV.
        """
        if path.suffix.lower() not in (".json", ".csv") and not is_special(path):
            raise InputError(f"--summary {path}: it is JSON or CSV; let its name end in .json or .csv")
        self._path, self._tally = path, PhotosTally()

    def add(self, result: PhotoResult) -> None:
        """Take one photo."""
        self._tally.add(result)

    def write(self, info: ModelInfo, device: str) -> None:
        """Write it; ``info`` is of the model that gave the answers on a ``device``."""
        if self._path.suffix.lower() != ".csv":
            write_text(self._path, json.dumps(self._tally.to_dict(info, device), indent=2) + "\n")
            return
        faces = self._tally.faces
        group = estimate(faces, info)
        counts = {name: value for name, value in asdict(group).items() if name in _COUNTS}
        answers = {f"count_{name}": count for name, count in faces.by_expression.items()}
        row = {**self._tally.photos, **counts, **share_cells(group), **answers}
        write_text(self._path, csv_header(SUMMARY_COLUMNS) + csv_lines(SUMMARY_COLUMNS, [row]))
