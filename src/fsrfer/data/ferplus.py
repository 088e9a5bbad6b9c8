"""FER2013 faces with the FER+ crowd labels, in Microsoft's layout (Barsoum et al., ICMI 2016, arXiv:1608.01041).

``FER2013Train``, ``FER2013Valid`` and ``FER2013Test``, each with 48x48 grey PNG files and a ``label.csv`` without header:
file, box, then ten vote counts (see `FERPLUS_COLUMNS`).
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrfer.data.dataset import FaceDataset, Sample, require_files, require_folder, require_unique
from fsrfer.errors import DataError
from fsrfer.labels import EXPRESSIONS, FERPLUS_COLUMNS
from fsrfer.texts import open_text

FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}

_EXPRESSIONS = FERPLUS_COLUMNS.index("unknown")
"""Columns before this one name expressions, contempt among them."""

_COLUMN_OF = np.array([FERPLUS_COLUMNS.index(name) for name in EXPRESSIONS])


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture of FER+ with all its votes.

    Attributes:
        path: of the picture.
        votes: int64, 10, by `FERPLUS_COLUMNS`.
    """

    path: Path
    votes: NDArray[np.int64]

    @property
    def winner(self) -> str:
        """The column with the most votes (the first of equals, in file order)."""
        return FERPLUS_COLUMNS[int(self.votes.argmax())]

    @property
    def told(self) -> float:
        """Share of the voters who named an expression, not *unknown* or *not a face*; 0..1."""
        return float(self.votes[:_EXPRESSIONS].sum() / max(1, self.votes.sum()))


def read(root: Path, split: str) -> FaceDataset:
    """Faces whose most-voted column is one of the seven expressions.

    The majority is taken over all ten columns (the first of equals, in file order); faces voted contempt, unknown or
    not-a-face are left out. The label distribution drops single votes as outliers, as FER+ does, and is normalised over the
    seven classes.

    Raises:
        DataError: a missing folder, malformed rows, or missing pictures.
    """
    kept = [one for one in _listed(root, split) if one.winner in EXPRESSIONS]
    return FaceDataset("ferplus", split, tuple(_sample(one) for one in _present(kept, root, split)))


def read_all(root: Path, split: str) -> tuple[Judged, ...]:
    """Every picture of a split with its votes, those of which no expression can be told among them.

    Raises:
        DataError: a missing folder, malformed rows, or missing pictures.
    """
    return _present(tuple(_listed(root, split)), root, split)


def _listed(root: Path, split: str) -> Iterator[Judged]:
    folder = require_folder(root / FOLDERS[split], "FER+ pictures and label.csv")
    table = folder / "label.csv"
    if not table.is_file():
        raise DataError(f"{table}: not found; a FER+ folder holds its labels there")
    with open_text(table, DataError) as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            if row:
                yield _judged(folder, row, f"{table}:{number}")


def _present(judged: Sequence[Judged], root: Path, split: str) -> tuple[Judged, ...]:
    """The same, once each is known to be there, and once only."""
    table = str(root / FOLDERS[split] / "label.csv")
    require_unique([one.path.name for one in judged], table)
    require_files([one.path for one in judged], table)
    return tuple(judged)


def _judged(folder: Path, row: list[str], where: str) -> Judged:
    try:
        name, counts = row[0], np.array([int(field) for field in row[2:]])
    except (ValueError, IndexError):
        raise DataError(f"{where}: expected a file name, a box and ten vote counts") from None
    if counts.shape != (len(FERPLUS_COLUMNS),) or (counts < 0).any() or not name:
        raise DataError(f"{where}: expected a file name, a box and ten vote counts")
    return Judged(folder / name, counts)


def _sample(one: Judged) -> Sample:
    label = EXPRESSIONS.index(one.winner)
    votes = np.where(one.votes > 1, one.votes, 0)[_COLUMN_OF]
    if votes.sum() == 0:
        return Sample.labelled(one.path, label)
    return Sample(one.path, label, tuple((votes / votes.sum()).tolist()))
