"""SFEW 2.0: stills of films, one folder a class, in its owners' layout (Dhall et al., ICCV workshops 2011 and ICMI 2015).

``Train`` and ``Val`` hold the folders Angry, Disgust, Fear, Happy, Neutral, Sad and Surprise; the aligned faces come as
``Train_Aligned_Faces`` and ``Val_Aligned_Faces`` (later ``Val_Aligned_Faces_new``). A picture is named after its film and the
time in it: ``Airheads_000519240_00000005.png``. The labels of the test part are not public.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

from fsrfer.data.dataset import FaceDataset, Sample
from fsrfer.errors import AbsentError, DataError, FsrferWarning
from fsrfer.folders import visible_folders, walk
from fsrfer.images import picture_suffixes
from fsrfer.labels import index_of

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")

FOLDERS = {
    "train": ("Train_Aligned_Faces", "Train/Train_Aligned_Faces", "Train"),
    "valid": (
        "Val_Aligned_Faces_new",
        "Val_Aligned_Faces",
        "Val/Val_Aligned_Faces_new",
        "Val/Val_Aligned_Faces",
        "Val",
    ),
}
"""Where each split may lie. Aligned faces come first: whole film frames show more than a face."""


def read(root: Path, split: str) -> FaceDataset:
    """The faces of one split, aligned ones where both kinds are there.

    Warns:
        FsrferWarning: a picture lies in two classes, or films (so, people) occur in both splits.

    Raises:
        DataError: no such folder, a class folder missing, unknown or empty.
    """
    folder = _folder(root, split)
    if folder is None:
        raise AbsentError(f"{root}: {' or '.join(FOLDERS[split])} expected here, with one folder a class")
    pictures = _pictures(folder)
    _warn_of_two_labels(folder, pictures)
    _warn_of_shared_films(root)
    samples = [Sample.labelled(path, index_of(name)) for name in CLASSES for path in pictures[name]]
    return FaceDataset("sfew", split, tuple(samples))


def film(path: Path) -> str:
    """The film a picture was taken from: its name without the two numbers at the end.

    Example:
        >>> film(Path("Harry_Potter_1_000519240_00000005.png"))
        'Harry_Potter_1'
    """
    return path.stem.rsplit("_", 2)[0]


def _folder(root: Path, split: str) -> Path | None:
    candidates = (root / name for name in FOLDERS[split])
    return next((folder for folder in candidates if any((folder / name).is_dir() for name in CLASSES)), None)


def _pictures(folder: Path) -> dict[str, list[Path]]:
    found = {entry.name for entry in visible_folders(folder)}
    if strange := sorted(found - set(CLASSES)):
        raise DataError(f"{folder / strange[0]}: not one of SFEW's classes {', '.join(CLASSES)}")
    if missing := [name for name in CLASSES if name not in found]:
        raise DataError(f"{folder}: the class folder {missing[0]} is missing")
    pictures = {name: sorted(walk(folder / name, picture_suffixes()).files) for name in CLASSES}
    if empty := [name for name in CLASSES if not pictures[name]]:
        raise DataError(f"{folder / empty[0]}: no pictures in this class folder")
    return pictures


def _warn_of_two_labels(folder: Path, pictures: Mapping[str, list[Path]]) -> None:
    classes: dict[str, list[str]] = {}
    for name, paths in pictures.items():
        for path in paths:
            classes.setdefault(path.name, []).append(name)
    twice = {picture: names for picture, names in classes.items() if len(names) > 1}
    if twice:
        picture, names = next(iter(twice.items()))
        message = f"{folder}: {len(twice)} pictures lie in two classes, such as {picture} in {' and '.join(names)}"
        warnings.warn(message, FsrferWarning, stacklevel=3)


def _warn_of_shared_films(root: Path) -> None:
    folders = [folder for split in FOLDERS if (folder := _folder(root, split))]
    films = [{film(path) for name in CLASSES for path in (folder / name).glob("*_*_*")} for folder in folders]
    shared = sorted(set.intersection(*films)) if len(films) == len(FOLDERS) else []
    if shared:
        message = f"{root}: {len(shared)} films, so their actors, are in both splits, such as {', '.join(shared[:3])}"
        warnings.warn(message, FsrferWarning, stacklevel=3)
