"""A table of one's own: a CSV file with the columns ``file`` and ``label``, and ``split`` where there are splits.

Paths are relative to the table's folder; labels are names of expressions (synonyms are accepted). Splits are named in any usual
way: ``val`` and ``Validation`` are ``valid``.
"""

import csv
import warnings
from collections import Counter
from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample, require_files, require_unique
from fsrfer.data.splits import usual_name
from fsrfer.errors import DataError, FsrferWarning
from fsrfer.labels import index_of
from fsrfer.texts import open_text

KNOWN_SPLITS = ("train", "valid", "test")

Row = dict[str, str | None]


def read(table: Path, split: str) -> FaceDataset:
    """Rows of one split; split ``all`` takes every row.

    Warns:
        FsrferWarning: rows of a split that is none of train, valid, test nor the one asked for.

    Raises:
        DataError: no such table, missing columns, unknown labels, or missing pictures.
    """
    rows = _rows(table, needs_split=split != "all")
    chosen = [(number, row) for number, row in rows if split == "all" or _split(row) == usual_name(split)]
    strange = Counter(_split(row) for _, row in rows if _split(row) not in (*KNOWN_SPLITS, usual_name(split)))
    if strange and split != "all":
        told = ", ".join(f"{name or '(empty)'} ({count})" for name, count in strange.most_common(3))
        warnings.warn(f"{table}: rows of unknown splits are left out: {told}", FsrferWarning, stacklevel=3)
    samples = [_sample(table, row, number) for number, row in chosen]
    require_unique([str(sample.path) for sample in samples], str(table))
    require_files([sample.path for sample in samples], str(table))
    return FaceDataset("manifest", usual_name(split), tuple(samples))


def splits(table: Path) -> list[str]:
    """The usual splits that a table names; none where it has no such column."""
    named = {_split(row) for _, row in _rows(table, needs_split=False)}
    return [split for split in KNOWN_SPLITS if split in named]


def _rows(table: Path, *, needs_split: bool) -> list[tuple[int, Row]]:
    if not table.is_file():
        raise DataError(f"{table}: not found; a manifest is a CSV file with the columns file and label")
    with open_text(table, DataError) as lines:
        reader = csv.DictReader(lines, skipinitialspace=True)
        needed = {"file", "label"} | ({"split"} if needs_split else set())
        if missing := sorted(needed - set(reader.fieldnames or ())):
            raise DataError(f"{table}: the column {missing[0]!r} is missing from its first line")
        return list(enumerate(reader, 2))


def _split(row: Row) -> str:
    return usual_name(row.get("split") or "")


def _sample(table: Path, row: Row, number: int) -> Sample:
    name, label = (row["file"] or "").strip(), row["label"]
    if not name or not label:
        raise DataError(f"{table}: row {number} lacks its file or its label")
    try:
        return Sample.labelled(table.parent / name, index_of(label))
    except DataError as error:
        raise DataError(f"{table}: row {number}: {error}") from None
