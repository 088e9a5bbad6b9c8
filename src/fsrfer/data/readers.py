"""The readers by the names used on the command line: ``--data NAME=PATH``."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fsrfer.data import affectnet, fer2013, ferplus, folder, manifest, packed, rafdb, sfew
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


PACKED = "packed"
"""Stands for every data set of a pack: ``--data packed=FILE``."""


def parse_sources(words: Iterable[str]) -> dict[str, Path]:
    """``NAME=PATH`` arguments as a dictionary; ``packed=FILE`` stands for every data set in the file.

    Raises:
        DataError: another form, an unknown reader, a reader named twice, or a pack that cannot be read.
    """
    sources: dict[str, Path] = {}
    known = ", ".join([*READERS, PACKED])
    for word in words:
        name, separator, text = word.partition("=")
        if not separator or not text:
            raise DataError(f"--data {word}: expected NAME=PATH, with NAME one of {known}")
        if name not in READERS and name != PACKED:
            raise DataError(f"--data {word}: unknown data set {name!r}; known: {known}")
        path = Path(os.path.expanduser(text))  # noqa: PTH111 (which leaves alone what it does not know)
        for one in packed.contents(path) if name == PACKED else (name,):
            if one in sources:
                raise DataError(f"--data {word}: {one} is given twice")
            sources[one] = path
    return sources


def parse_source(word: str) -> tuple[str, Path]:
    """``NAME=PATH`` for a command that takes one data set.

    Raises:
        DataError: as `parse_sources` does, or a pack of several.
    """
    sources = parse_sources([word])
    if len(sources) > 1:
        path = word.partition("=")[2]
        raise DataError(f"--data {word}: it holds {', '.join(sources)}; name one, such as {next(iter(sources))}={path}")
    return next(iter(sources.items()))


def read(name: str, path: Path, split: str) -> FaceDataset:
    """Read one split of a data set, or of a pack of it.

    Raises:
        DataError: the split is unknown, the files are not in the published layout, or the pack cannot be read.
    """
    known, wanted = SPLITS.get(name), usual_name(split)
    if known is not None and wanted not in known:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(known)}")
    if packed.is_pack(path):
        return packed.read(path, name, wanted)
    return READERS[name](path, wanted if known else split)


def splits_of(name: str, path: Path) -> tuple[str, ...]:
    """The usual splits that a data set has: those of its published layout, or those that are there."""
    if packed.is_pack(path):
        return packed.contents(path).get(name, ())
    if name == "folder":
        return tuple(folder.splits(path))
    return tuple(manifest.splits(path)) if name == "manifest" else SPLITS[name]


def shared_faces(sources: Mapping[str, Path]) -> list[str]:
    """What of each data set's training faces is in another data set too: a sentence for each such pair of parts.

    Faces of a part that is kept apart flatter the figures on it, others count twice. Within a data set its publishers'
    parts are taken as they are. Every face is decoded, but for those of packs.

    Raises:
        DataError: a picture cannot be decoded.
    """
    told = []
    parts = {(name, split): faces for name in sources for split, faces in _digests(name, sources[name]).items()}
    for (first, split), (second, other) in itertools.permutations(parts, 2):
        if first == second or split != "train" or (other == "train" and first > second):
            continue  # of two training parts it is told once
        if shared := parts[first, split] & parts[second, other]:
            told.append(f"faces of {first} {split} that are in {second} {other} too: {len(shared)}")
    return told


def _digests(name: str, path: Path) -> dict[str, set[bytes]]:
    """The faces of each part of a data set that is there, by their decoded pixels."""
    found = {}
    for split in splits_of(name, path):
        with suppress(DataError):  # such as a test part kept apart; what is trained on is read again, and must be there
            dataset = read(name, path, split)
            found[split] = {dataset.digest(index) for index in range(len(dataset))}
    return found
