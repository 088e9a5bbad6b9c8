"""FER2013 faces with the FER+ crowd labels, in Microsoft's layout (Barsoum et al., ICMI 2016, arXiv:1608.01041).

``FER2013Train``, ``FER2013Valid`` and ``FER2013Test``, each with 48x48 grey PNG files and a ``label.csv`` without header:
file, box, then ten vote counts (see `FERPLUS_COLUMNS`).
"""

import csv
from pathlib import Path

import numpy as np

from fsrfer.data.dataset import FaceDataset, Sample, require_files, require_folder, require_unique
from fsrfer.errors import DataError
from fsrfer.labels import EXPRESSIONS, FERPLUS_COLUMNS
from fsrfer.texts import open_text

FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}

_COLUMN_OF = np.array([FERPLUS_COLUMNS.index(name) for name in EXPRESSIONS])


def read(root: Path, split: str) -> FaceDataset:
    """Faces whose most-voted column is one of the seven expressions.

    The majority is taken over all ten columns (the first of equals, in file order); faces voted contempt, unknown or
    not-a-face are left out. The label distribution drops single votes as outliers, as FER+ does, and is normalised over the
    seven classes.

    Raises:
        DataError: a missing folder, malformed rows, or missing pictures.
    """
    folder = require_folder(root / FOLDERS[split], "FER+ pictures and label.csv")
    table = folder / "label.csv"
    if not table.is_file():
        raise DataError(f"{table}: not found; a FER+ folder holds its labels there")
    with open_text(table, DataError) as lines:
        samples = [_sample(folder, row, f"{table}:{number}") for number, row in enumerate(csv.reader(lines), 1) if row]
    kept = [sample for sample in samples if sample is not None]
    require_unique([sample.path.name for sample in kept], str(table))
    require_files([sample.path for sample in kept], str(table))
    return FaceDataset("ferplus", split, tuple(kept))


def _sample(folder: Path, row: list[str], where: str) -> Sample | None:
    try:
        name, counts = row[0], np.array([int(field) for field in row[2:]])
    except (ValueError, IndexError):
        raise DataError(f"{where}: expected a file name, a box and ten vote counts") from None
    if counts.shape != (len(FERPLUS_COLUMNS),) or (counts < 0).any() or not name:
        raise DataError(f"{where}: expected a file name, a box and ten vote counts")
    winner = FERPLUS_COLUMNS[int(counts.argmax())]
    if winner not in EXPRESSIONS:
        return None
    votes = np.where(counts > 1, counts, 0)[_COLUMN_OF]
    if votes.sum() == 0:
        return Sample.labelled(folder / name, EXPRESSIONS.index(winner))
    return Sample(folder / name, EXPRESSIONS.index(winner), tuple((votes / votes.sum()).tolist()))
