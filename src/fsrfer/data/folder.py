"""Pictures in one folder a class: ``root/happy/*.jpg``, or ``root/train/happy/*.jpg`` where there are splits."""

import warnings
from collections import Counter
from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample, require_folder
from fsrfer.data.splits import spellings
from fsrfer.errors import DataError, FsrferWarning
from fsrfer.folders import by_kind, visible_folders, walk
from fsrfer.images import picture_suffixes
from fsrfer.labels import EXPRESSIONS, index_of, is_expression


def read(root: Path, split: str) -> FaceDataset:
    """Faces of a split (a folder of that name, in any usual spelling), or of the whole folder for split ``all``.

    Warns:
        FsrferWarning: files that are no pictures were passed over.

    Raises:
        DataError: no such folder, a class folder that names no expression, or a class folder without pictures.
    """
    folder = require_folder(root if split == "all" else _split_folder(root, split), "one folder a class")
    classes = visible_folders(folder)
    if split == "all" and classes and not any(is_expression(entry.name) for entry in classes):
        raise DataError(
            f"{folder}: no class folders, but {', '.join(c.name for c in classes[:3])}; choose one with --split"
        )
    samples: list[Sample] = []
    others: Counter[str] = Counter()
    for entry in classes:
        if not is_expression(entry.name):
            raise DataError(f"{entry}: the folder's name is none of {', '.join(EXPRESSIONS)}, nor a synonym")
        found = walk(entry, picture_suffixes())
        if found.unreadable:
            path, reason = found.unreadable[0]
            raise DataError(f"{path}: the folder cannot be read ({reason})")
        if not found.files:
            raise DataError(f"{entry}: no pictures in this class folder")
        others.update(found.passed_over)
        samples += [Sample.labelled(path, index_of(entry.name)) for path in sorted(found.files)]
    if others:
        warnings.warn(f"{folder}: passed over {by_kind(others)}", FsrferWarning, stacklevel=3)
    return FaceDataset("folder", split, tuple(samples))


def splits(root: Path) -> list[str]:
    """The splits that a folder holds, by their usual names."""
    return [split for split in ("train", "valid", "test") if _split_folder(root, split).is_dir()]


def _split_folder(root: Path, split: str) -> Path:
    """The folder of a split in the spelling that is there; several are an error."""
    if not root.is_dir():
        return root / split
    there = [entry for entry in visible_folders(root) if entry.name.strip().lower() in spellings(split)]
    if len(there) > 1:
        raise DataError(f"{root}: both {there[0].name} and {there[1].name} are here for the split {split}; keep one")
    return there[0] if there else root / split
