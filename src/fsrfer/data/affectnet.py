"""AffectNet's manually annotated faces in their owners' layout (Mollahosseini et al., IEEE TAC 2019, arXiv:1708.03985).

``train_set`` and ``val_set`` each hold ``images/NNN.jpg`` and ``annotations/NNN_exp.npy``, a single label 0..7 (see
`AFFECTNET_CLASSES`), stored as a number or as its digit. A number names different pictures in the two sets.
"""

from pathlib import Path

import numpy as np

from fsrfer.data.dataset import FaceDataset, Sample, require_folder
from fsrfer.errors import DataError
from fsrfer.folders import is_hidden
from fsrfer.images import picture_suffixes
from fsrfer.labels import AFFECTNET_CLASSES, EXPRESSIONS

FOLDERS = {"train": "train_set", "valid": "val_set"}

_LABELLED = "_exp.npy"


def read(root: Path, split: str) -> FaceDataset:
    """The faces of one split, by number; contempt is left out.

    Raises:
        DataError: a missing folder, a picture without its label or the reverse, two pictures of one number, or a label that
            is not one of 0..7.
    """
    folder = require_folder(root / FOLDERS[split], "AffectNet's images and annotations")
    images = require_folder(folder / "images", "AffectNet's pictures")
    annotations = require_folder(folder / "annotations", "AffectNet's labels")
    pictures = _by_number(images)
    labelled = {path.name.removesuffix(_LABELLED) for path in annotations.iterdir() if is_label(path.name)}
    if lost := sorted(labelled - set(pictures)):
        raise DataError(f"{images}: {len(lost)} labelled pictures are missing, such as {', '.join(lost[:3])}")
    if bare := sorted(set(pictures) - labelled):
        raise DataError(f"{annotations}: {len(bare)} pictures have no label, such as {bare[0]}{_LABELLED}")
    labels = {number: _label(annotations / f"{number}{_LABELLED}") for number in pictures}
    return FaceDataset(
        "affectnet",
        split,
        tuple(
            Sample.labelled(path, EXPRESSIONS.index(labels[number]))
            for number, path in pictures.items()
            if labels[number] in EXPRESSIONS
        ),
    )


def is_label(name: str) -> bool:
    """Whether a file holds a picture's label."""
    return name.endswith(_LABELLED) and not is_hidden(name)


def _by_number(images: Path) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    found = (
        path for path in images.iterdir() if path.suffix.lower() in picture_suffixes() and not is_hidden(path.name)
    )
    for path in sorted(found, key=lambda path: (len(path.stem), path.name)):
        if path.stem in pictures:
            raise DataError(f"{path}: two pictures have this number, and only one label")
        pictures[path.stem] = path
    return pictures


def _label(path: Path) -> str:
    try:
        stored = np.load(path, allow_pickle=False)
        number = int(stored.item())
    except (OSError, ValueError, EOFError):
        raise DataError(f"{path}: not a single label in NumPy's format") from None
    if not 0 <= number < len(AFFECTNET_CLASSES):
        raise DataError(f"{path}: label {number} is not one of 0..{len(AFFECTNET_CLASSES) - 1}")
    return AFFECTNET_CLASSES[number]
