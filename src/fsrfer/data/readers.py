"""The readers by the names used on the command line: ``--data NAME=PATH``."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from fsrfer.data import affectnet, fer2013, ferplus, folder, manifest, rafdb, sfew
from fsrfer.data.dataset import FaceDataset
from fsrfer.data.splits import usual_name
from fsrfer.errors import DataError

READERS: dict[str, Callable[[Path, str], FaceDataset]] = {
    "ferplus": ferplus.read,
    "rafdb": rafdb.read,
    "sfew": sfew.read,
    "fer2013": fer2013.read,
    "affectnet": affectnet.read,
    "folder": folder.read,
    "manifest": manifest.read,
}

SPLITS: dict[str, tuple[str, ...]] = {
    "ferplus": tuple(ferplus.FOLDERS),
    "rafdb": rafdb.SPLITS,
    "sfew": tuple(sfew.FOLDERS),
    "fer2013": tuple(fer2013.USAGES),
    "affectnet": tuple(affectnet.FOLDERS),
}
"""Splits that a published layout fixes; the other readers take any name."""


def parse_sources(words: Iterable[str]) -> dict[str, Path]:
    """``NAME=PATH`` arguments as a dictionary.

    Raises:
        DataError: another form, an unknown reader, or a reader named twice.
    """
    sources: dict[str, Path] = {}
    for word in words:
        name, separator, path = word.partition("=")
        if not separator or not path:
            raise DataError(f"--data {word}: expected NAME=PATH, with NAME one of {', '.join(READERS)}")
        if name not in READERS:
            raise DataError(f"--data {word}: unknown data set {name!r}; known: {', '.join(READERS)}")
        if name in sources:
            raise DataError(f"--data {word}: {name} is given twice")
        sources[name] = Path(os.path.expanduser(path))  # noqa: PTH111 (which leaves alone what it does not know)
    return sources


def read(name: str, path: Path, split: str) -> FaceDataset:
    """Read one split of a data set.

    Raises:
        DataError: the split is unknown, or the files are not in the published layout.
    """
    known, wanted = SPLITS.get(name), usual_name(split)
    if known is not None and wanted not in known:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(known)}")
    return READERS[name](path, wanted if known else split)


def splits_of(name: str, path: Path) -> tuple[str, ...]:
    """The usual splits that a data set has: those of its published layout, or those that are there."""
    if name == "folder":
        return tuple(folder.splits(path))
    return tuple(manifest.splits(path)) if name == "manifest" else SPLITS[name]
