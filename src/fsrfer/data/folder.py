"""Pictures in one folder a class: ``root/happy/*.jpg``, or ``root/train/happy/*.jpg`` where there are splits."""

from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample, require_folder
from fsrfer.errors import DataError
from fsrfer.images import SUFFIXES
from fsrfer.labels import EXPRESSIONS, index_of, is_expression


def read(root: Path, split: str) -> FaceDataset:
    """Faces of a split (a folder of that name), or of the whole folder for split ``all``.

    Raises:
        DataError: no such folder, a class folder that names no expression, or a class folder without pictures.
    """
    folder = require_folder(root if split == "all" else root / split, "one folder a class")
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    if split == "all" and classes and not any(is_expression(entry.name) for entry in classes):
        raise DataError(
            f"{folder}: no class folders, but {', '.join(c.name for c in classes[:3])}; choose one with --split"
        )
    samples: list[Sample] = []
    for entry in classes:
        if not is_expression(entry.name):
            raise DataError(f"{entry}: the folder's name is none of {', '.join(EXPRESSIONS)}, nor a synonym")
        pictures = sorted(path for path in entry.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not pictures:
            raise DataError(f"{entry}: no pictures in this class folder")
        samples += [Sample.labelled(path, index_of(entry.name)) for path in pictures]
    return FaceDataset("folder", split, tuple(samples))
