"""Data sets in one file: decoded faces with their labels, so that a start takes seconds and reads nothing else.

A pack is a safetensors file. Every split of every data set in it (a part) has seven tensors, named ``ferplus/train/pixels`` and
so on; the header tells the version, and the SHA-256 of each part. Faces lie one after another as they were decoded, grey where
all channels are equal, or, in a sized pack, as networks take them. Reading a part gives the data set that was packed: the same
faces in the same order with the same labels.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fsrfer.data.dataset import FaceDataset, Sample, brought_to, digest
from fsrfer.data.inline import PackedPixels
from fsrfer.data.splits import usual_name
from fsrfer.errors import DataError
from fsrfer.files import atomic_path
from fsrfer.labels import EXPRESSIONS

VERSION = "1"
SUFFIX = ".safetensors"

Tensors = dict[str, NDArray[Any]]
Track = Callable[[Iterable[int], str], Iterable[int]]

_NAMES = ("pixels", "shapes", "heights", "labels", "votes", "digests", "names")


def is_pack(path: Path) -> bool:
    """Whether a path names a pack: all data sets are folders or tables but these."""
    return path.suffix == SUFFIX


def pack(
    datasets: Sequence[FaceDataset],
    target: Path,
    size: int | None = None,
    colour: Literal["grey", "rgb"] = "grey",
    track: Track = lambda indices, _: indices,
) -> None:
    """Decode data sets into one file.

    Args:
        datasets: each a split of a data set.
        target: the file, which appears when it is whole.
        size: side in pixels that faces are brought to, for training alone; None keeps them as they are.
        colour: of faces that are brought to a size.
        track: wraps each sequence of indices, to show progress.

    Raises:
        DataError: a picture cannot be decoded.
        InputError: the file cannot be written.
    """
    from safetensors.numpy import save_file

    tensors: Tensors = {}
    parts: dict[str, dict[str, Any]] = {}
    for dataset in datasets:
        key = f"{dataset.name}/{usual_name(dataset.split)}"
        part = _part(dataset, size, colour, track)
        tensors |= {f"{key}/{name}": values for name, values in part.items()}
        parts[key] = {"faces": len(dataset), "source": _source(part), "sha256": _hash(part)}
    about = {"sized": size is not None, "labels": list(EXPRESSIONS), "parts": parts}
    text = json.dumps(about)
    header = {"pack": VERSION, "about": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    with atomic_path(target) as partial:
        save_file(tensors, partial, metadata=header)


def contents(path: Path) -> dict[str, tuple[str, ...]]:
    """The splits of each data set in a pack.

    Raises:
        DataError: no pack, a damaged one, or one of another version.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key in _about(path)["parts"]:
        name, _, split = key.partition("/")
        found[name] = (*found.get(name, ()), split)
    return found


def content_hash(path: Path) -> str:
    """SHA-256 of all that a pack holds.

    Raises:
        DataError: no pack, a damaged one, or one of another version.
    """
    return hashlib.sha256(json.dumps(_about(path)).encode()).hexdigest()


def read(path: Path, name: str, split: str) -> FaceDataset:
    """One split of one data set out of a pack.

    Raises:
        DataError: no pack, a damaged one, one of another version, or one without the split.
    """
    about, key = _about(path), f"{name}/{split}"
    if key not in about["parts"]:
        held = ", ".join(part.replace("/", " ", 1) for part in about["parts"])
        raise DataError(f"{path}: {name} {split} is not in this pack; it holds {held}")
    part = _opened(path, lambda file: {one: file.get_tensor(f"{key}/{one}") for one in _NAMES})
    if _hash(part) != about["parts"][key]["sha256"]:
        raise DataError(f"{path}: damaged (another SHA-256 than it was packed with); pack it again")
    return FaceDataset(name, split, tuple(_samples(part, sized=about["sized"])))


def _part(dataset: FaceDataset, size: int | None, colour: Literal["grey", "rgb"], track: Track) -> Tensors:
    pictures, heights, digests = [], [], []
    for index in track(range(len(dataset)), f"{dataset.name} {dataset.split}"):
        image = dataset.load(index)
        heights.append(len(image))
        digests.append(np.frombuffer(digest(image), np.uint8))
        kept = _slim(image) if size is None else brought_to(image, size, colour)
        pictures.append(kept if kept.ndim == 3 else kept[..., None])
    return {
        "pixels": np.concatenate([picture.ravel() for picture in pictures]),
        "shapes": np.array([picture.shape for picture in pictures], np.int64),
        "heights": np.array(heights, np.int64),
        "labels": dataset.labels,
        "votes": np.array([sample.votes for sample in dataset.samples], np.float64),
        "digests": np.stack(digests),
        "names": np.frombuffer(_names(dataset), np.uint8).copy(),
    }


def _names(dataset: FaceDataset) -> bytes:
    """One a line, in the file system's own bytes, which need not be UTF-8."""
    return os.fsencode("\n".join(sample.path.name.replace("\n", " ") for sample in dataset.samples))


def _slim(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel where all three are equal."""
    return image[..., :1] if (image[..., :1] == image).all() else image


def _samples(part: Tensors, *, sized: bool) -> Iterable[Sample]:
    shapes, names = part["shapes"].tolist(), os.fsdecode(bytes(part["names"])).split("\n")
    ends = part["shapes"].prod(1).cumsum().tolist()
    rows = zip(
        shapes, ends, names, part["heights"].tolist(), part["labels"].tolist(), part["votes"].tolist(), strict=True
    )
    for row, (shape, end, name, height, label, votes) in enumerate(rows):
        start = ends[row - 1] if row else 0
        values = part["pixels"][start:end].reshape(shape)
        held = PackedPixels(values, height, part["digests"][row].tobytes(), sized)
        yield Sample(Path(name), label, tuple(votes), held)


def _source(part: Tensors) -> str:
    """SHA-256 of the faces as they were decoded, and their votes: the same however they are packed."""
    return hashlib.sha256(part["digests"].tobytes() + part["votes"].tobytes()).hexdigest()


def _hash(part: Tensors) -> str:
    whole = hashlib.sha256()
    for name in _NAMES:
        values = np.ascontiguousarray(part[name])
        whole.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        whole.update(values.data)
    return whole.hexdigest()


def _about(path: Path) -> Mapping[str, Any]:
    header = _opened(path, lambda file: file.metadata()) or {}
    if "pack" not in header:
        raise DataError(f"{path}: no pack of faces; make one by: fsrfer data pack")
    if header["pack"] != VERSION:
        raise DataError(f"{path}: packed by another version of fsrfer; pack it again")
    text = header.get("about", "")
    if hashlib.sha256(text.encode()).hexdigest() != header.get("sha256"):
        raise DataError(f"{path}: damaged (its header was changed); pack it again")
    about: dict[str, Any] = json.loads(text)
    if about["labels"] != list(EXPRESSIONS):
        raise DataError(f"{path}: packed with other expressions than {', '.join(EXPRESSIONS)}; pack it again")
    return about


def _opened(path: Path, read_from: Callable[[Any], Any]) -> Any:
    """What is read from a safetensors file, any failure in one line."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DataError(f"{path}: not found; make a pack by: fsrfer data pack")
    try:
        with safe_open(path, framework="numpy") as file:
            return read_from(file)
    except (OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: damaged, or no pack of faces ({reason}); pack it again") from error
