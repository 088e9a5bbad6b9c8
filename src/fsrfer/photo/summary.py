"""All photos of a run as one group: plain counts and the estimate, under the keys that a photo and a video have them."""

import json
from dataclasses import asdict
from pathlib import Path

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


class PhotosSummary:
    """Takes results one by one, in constant memory, and writes what they say together."""

    def __init__(self, path: Path) -> None:
        """Begin a summary that will be written to a file; a device or pipe gets JSON.

        Raises:
            InputError: the name says neither JSON nor CSV.
        """
        if path.suffix.lower() not in (".json", ".csv") and not is_special(path):
            raise InputError(f"--summary {path}: it is JSON or CSV; let its name end in .json or .csv")
        self._path, self._tally = path, Tally()
        self._photos = dict.fromkeys(_PHOTOS, 0)

    def add(self, result: PhotoResult) -> None:
        """Take one photo."""
        self._photos["photos"] += 1
        self._photos["failed"] += result.error is not None
        self._photos["without_faces"] += result.error is None and not result.faces
        self._tally.merge(result.tally())

    def write(self, info: ModelInfo, device: str) -> None:
        """Write it; ``info`` is of the model that gave the answers on a ``device``."""
        group = estimate(self._tally, info)
        if self._path.suffix.lower() != ".csv":
            plain = self._tally.group.to_dict()
            values = {**self._photos, "device": device, "group": plain, "estimate": group.to_dict()}
            write_text(self._path, json.dumps(values, indent=2) + "\n")
            return
        counts = {name: value for name, value in asdict(group).items() if name in _COUNTS}
        answers = {f"count_{name}": count for name, count in self._tally.by_expression.items()}
        row = {**self._photos, **counts, **share_cells(group), **answers}
        write_text(self._path, csv_header(SUMMARY_COLUMNS) + csv_lines(SUMMARY_COLUMNS, [row]))
