"""FER2013 as its one CSV file (Goodfellow et al., ICONIP 2013, arXiv:1307.0414).

``fer2013.csv`` has the columns emotion (0..6, see `FER2013_CLASSES`), pixels (48 x 48 grey values between spaces) and Usage
(Training, PublicTest or PrivateTest). Its labels are one annotator's; `fsrfer.data.ferplus` reads the better ones.
"""

import csv
from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample
from fsrfer.data.inline import InlinePixels
from fsrfer.errors import DataError
from fsrfer.labels import EXPRESSIONS, FER2013_CLASSES
from fsrfer.texts import open_text

USAGES = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}

SIDE = 48


def read(place: Path, split: str) -> FaceDataset:
    """The faces of one split; ``place`` is the CSV file or the folder that holds ``fer2013.csv``.

    Raises:
        DataError: no such file, missing columns, an unknown usage, a label out of 0..6, or other than 48 x 48 pixels.
    """
    table = place / "fer2013.csv" if place.is_dir() else place
    if not table.is_file():
        raise DataError(f"{table}: not found; FER2013 keeps its faces and labels in fer2013.csv")
    with open_text(table, DataError) as lines:
        rows = csv.DictReader(lines, skipinitialspace=True)
        if missing := {"emotion", "pixels", "Usage"} - set(rows.fieldnames or ()):
            raise DataError(f"{table}: the column {min(missing)!r} is missing from its first line")
        samples = [
            _sample(table, row, number) for number, row in enumerate(rows, 2) if _usage(table, row, number) == split
        ]
    return FaceDataset("fer2013", split, tuple(samples))


def _usage(table: Path, row: dict[str, str | None], number: int) -> str:
    for split, usage in USAGES.items():
        if row["Usage"] == usage:
            return split
    raise DataError(f"{table}:{number}: usage {row['Usage']!r} is not one of {', '.join(USAGES.values())}")


def _sample(table: Path, row: dict[str, str | None], number: int) -> Sample:
    emotion, pixels = row["emotion"] or "", row["pixels"] or ""
    if not emotion.isdecimal() or int(emotion) >= len(FER2013_CLASSES):
        raise DataError(f"{table}:{number}: label {emotion!r} is not one of 0..{len(FER2013_CLASSES) - 1}")
    try:
        grey = bytes(map(int, pixels.split()))
    except ValueError:
        raise DataError(f"{table}:{number}: pixels must be whole numbers of 0..255") from None
    if len(grey) != SIDE * SIDE:
        raise DataError(f"{table}:{number}: {len(grey)} pixels, not {SIDE} x {SIDE}")
    label = EXPRESSIONS.index(FER2013_CLASSES[int(emotion)])
    return Sample.labelled(table, label, InlinePixels(grey, SIDE))
