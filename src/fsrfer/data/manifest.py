"""A table of one's own: a CSV file with the columns ``file`` and ``label``, and ``split`` where there are splits.

Paths are relative to the table's folder; labels are names of expressions (synonyms are accepted).
"""

import csv
from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample, require_files, require_unique
from fsrfer.errors import DataError
from fsrfer.labels import index_of


def read(table: Path, split: str) -> FaceDataset:
    """Rows of one split; split ``all`` takes every row.

    Raises:
        DataError: no such table, missing columns, unknown labels, or missing pictures.
    """
    if not table.is_file():
        raise DataError(f"{table}: not found; a manifest is a CSV file with the columns file and label")
    with table.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        columns = set(reader.fieldnames or ())
        needed = {"file", "label"} | ({"split"} if split != "all" else set())
        if not needed <= columns:
            raise DataError(f"{table}: the column {sorted(needed - columns)[0]!r} is missing from its first line")
        rows = [(number, row) for number, row in enumerate(reader, 2) if split == "all" or row["split"] == split]
    samples = [_sample(table, row, number) for number, row in rows]
    require_unique([str(sample.path) for sample in samples], str(table))
    require_files([sample.path for sample in samples], str(table))
    return FaceDataset("manifest", split, tuple(samples))


def _sample(table: Path, row: dict[str, str | None], number: int) -> Sample:
    name, label = row["file"], row["label"]
    if not name or not label:
        raise DataError(f"{table}: row {number} lacks its file or its label")
    try:
        return Sample.labelled(table.parent / name, index_of(label))
    except DataError as error:
        raise DataError(f"{table}: row {number}: {error}") from None
