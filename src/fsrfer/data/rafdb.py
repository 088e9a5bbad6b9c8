"""RAF-DB basic in its owners' layout (Li, Deng, Du, CVPR 2017).

``basic/EmoLabel/list_patition_label.txt`` has lines ``train_00001.jpg 5`` with labels 1..7 (see `EXPRESSIONS`); the faces are
``basic/Image/aligned/train_00001_aligned.jpg``.
"""

from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample, require_files, require_folder, require_unique
from fsrfer.errors import DataError
from fsrfer.labels import EXPRESSIONS
from fsrfer.texts import read_text

SPLITS = ("train", "test")


def read(root: Path, split: str) -> FaceDataset:
    """The aligned faces of one split; ``root`` is the folder ``basic`` or the one that holds it.

    Raises:
        DataError: a missing folder or list, malformed lines, labels out of 1..7, or missing pictures.
    """
    basic = root / "basic" if (root / "basic").is_dir() else root
    listing = basic / "EmoLabel" / "list_patition_label.txt"
    if not listing.is_file():
        raise DataError(f"{listing}: not found; RAF-DB basic keeps its labels there")
    folder = require_folder(basic / "Image" / "aligned", "RAF-DB's aligned faces")
    lines = read_text(listing, DataError).splitlines()
    rows = [_row(line, f"{listing}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    require_unique([name for name, _ in rows], str(listing))
    chosen = [(name, label) for name, label in rows if name.startswith(split)]
    samples = [Sample.labelled(folder / f"{Path(name).stem}_aligned.jpg", label - 1) for name, label in chosen]
    require_files([sample.path for sample in samples], str(listing))
    return FaceDataset("rafdb", split, tuple(samples))


def _row(line: str, where: str) -> tuple[str, int]:
    fields = line.split()
    if len(fields) != 2 or not fields[0].startswith(SPLITS):
        raise DataError(f"{where}: expected 'train_NNNNN.jpg LABEL' or 'test_NNNN.jpg LABEL', not {line.strip()!r}")
    if not fields[1].isdigit() or not 1 <= int(fields[1]) <= len(EXPRESSIONS):
        raise DataError(f"{where}: label {fields[1]!r} is not one of 1..{len(EXPRESSIONS)}")
    return fields[0], int(fields[1])
