"""A data set as a list of labelled pictures, and its pixels as one array."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fsrfer.data.inline import InlinePixels, PackedPixels
from fsrfer.errors import AbsentError, DataError, InputError
from fsrfer.images import load_rgb, resize, to_grey
from fsrfer.labels import EXPRESSIONS
from fsrfer.types import UInt8Image


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled face.

    Attributes:
        path: of the picture file, or of the table that holds the pixels.
        label: index into `EXPRESSIONS`.
        votes: probability of each class (sums to 1); one-hot where only a label is known.
        pixels: the picture itself, where it has no file of its own.
    """

    path: Path
    label: int
    votes: tuple[float, ...]
    pixels: InlinePixels | PackedPixels | None = None

    @classmethod
    def labelled(cls, path: Path, label: int, pixels: InlinePixels | None = None) -> "Sample":
        """A sample with one sure label."""
        return cls(path, label, tuple(float(index == label) for index in range(len(EXPRESSIONS))), pixels)


@dataclass(frozen=True, slots=True)
class FaceDataset:
    """The samples of one split of one data set, in a fixed order."""

    name: str
    split: str
    samples: tuple[Sample, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise AbsentError(f"{self.name} {self.split}: no labelled faces found; check the path and the split")

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64, N: indices into `EXPRESSIONS`."""
        return np.array([sample.label for sample in self.samples], dtype=np.int64)

    @property
    def votes(self) -> NDArray[np.float32]:
        """float32, N x 7: the label distribution of each face."""
        return np.array([sample.votes for sample in self.samples], dtype=np.float32)

    def class_counts(self) -> dict[str, int]:
        """Number of faces with each label."""
        counts = Counter(sample.label for sample in self.samples)
        return {name: counts[index] for index, name in enumerate(EXPRESSIONS)}

    def load(self, index: int) -> UInt8Image:
        """Pixels of one face, RGB, at its own size.

        Raises:
            DataError: the file cannot be decoded, or a pack holds the face at another size only.
        """
        sample = self.samples[index]
        try:
            return load_rgb(sample.path) if sample.pixels is None else sample.pixels.rgb()
        except InputError as error:
            raise DataError(f"{self.name} {self.split}: {error}") from error

    def digest(self, index: int) -> bytes:
        """SHA-256 of one face as it was decoded: of its shape, then its pixels.

        Raises:
            DataError: the file cannot be decoded.
        """
        held = self.samples[index].pixels
        return held.digest if isinstance(held, PackedPixels) else digest(self.load(index))


def spread(dataset: FaceDataset, count: int) -> FaceDataset:
    """The same data set with ``count`` of its faces at most, from all over it, in their order."""
    rows = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    return FaceDataset(dataset.name, dataset.split, tuple(dataset.samples[row] for row in rows))


def load_pixels(
    dataset: FaceDataset,
    size: int,
    colour: Literal["grey", "rgb"],
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[UInt8Image, NDArray[np.int64]]:
    """All faces of a data set at one size, in memory.

    Args:
        dataset: what to load.
        size: side in pixels.
        colour: ``"grey"`` or ``"rgb"``.
        track: wraps the sequence of indices, to show progress.

    Raises:
        DataError: pictures that cannot be decoded, all at once.

    Returns:
        uint8, N x size x size (grey) or N x size x size x 3; and int64, N: each face's own height in pixels.
    """
    shape = (len(dataset), size, size) + ((3,) if colour == "rgb" else ())
    pixels, heights = np.empty(shape, np.uint8), np.empty(len(dataset), np.int64)
    broken: list[str] = []
    for index in track(range(len(dataset))):
        held = dataset.samples[index].pixels
        if isinstance(held, PackedPixels) and held.sized:
            heights[index], pixels[index] = held.height, _as_packed(held, size, colour, dataset)
            continue
        try:
            image = dataset.load(index)
        except DataError as error:
            broken.append(str(error))
            continue
        heights[index], pixels[index] = image.shape[0], brought_to(image, size, colour)
    if broken:
        raise DataError(_listed(broken, f"{dataset.name} {dataset.split}"))
    return pixels, heights


def _as_packed(held: PackedPixels, size: int, colour: Literal["grey", "rgb"], dataset: FaceDataset) -> UInt8Image:
    try:
        return held.at(size, colour)
    except InputError as error:  # the same of every face, so that the first tells all
        raise DataError(f"{dataset.name} {dataset.split}: {error}") from error


def brought_to(image: UInt8Image, size: int, colour: Literal["grey", "rgb"]) -> UInt8Image:
    """A picture (H x W x 3) as networks take it: uint8, size x size (grey) or size x size x 3."""
    return resize(to_grey(image) if colour == "grey" else image, (size, size))


def digest(image: UInt8Image) -> bytes:
    """SHA-256 of a picture's shape, then its pixels."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()


def check_pictures(dataset: FaceDataset) -> None:
    """Decode every picture once, before any work.

    Raises:
        DataError: pictures that cannot be decoded, all at once.
    """
    held = dataset.samples[0].pixels
    if isinstance(held, PackedPixels):
        dataset.load(0)  # decoded when it was packed; all of them are at one size, or at their own
        return
    broken = [error for index in range(len(dataset)) if (error := _what_is_broken(dataset, index))]
    if broken:
        raise DataError(_listed(broken, f"{dataset.name} {dataset.split}"))


def _what_is_broken(dataset: FaceDataset, index: int) -> str | None:
    try:
        dataset.load(index)
    except DataError as error:
        return str(error)
    return None


def _listed(broken: Sequence[str], what: str) -> str:
    """All that is broken in one message: a single one as it is, or how many and the first ten."""
    if len(broken) == 1:
        return broken[0]
    reasons = "; ".join(reason.removeprefix(f"{what}: ") for reason in broken[:10])
    more = f"; and {len(broken) - 10} more" if len(broken) > 10 else ""
    return f"{what}: {len(broken)} pictures cannot be used: {reasons}{more}"


def fingerprint(pixels: UInt8Image, votes: NDArray[np.float32]) -> str:
    """SHA-256 of the decoded faces and their label distributions, in order."""
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes())
    digest.update(np.ascontiguousarray(votes).tobytes())
    return digest.hexdigest()


def require_folder(path: Path, what: str) -> Path:
    """The folder itself, or an `AbsentError` that says what it should have been."""
    if not path.is_dir():
        raise AbsentError(f"{path}: {what} expected here, but there is no such folder")
    return path


def require_files(paths: Sequence[Path], what: str) -> None:
    """Check that every listed file is there, with one listing a folder.

    Raises:
        DataError: some are missing; the first three are named. An `AbsentError` where all are.
    """
    present = {
        folder: {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        for folder in {p.parent for p in paths}
    }
    missing = [path for path in paths if path.name not in present[path.parent]]
    if missing:
        named = ", ".join(str(path) for path in missing[:3])
        kind = AbsentError if len(missing) == len(paths) else DataError
        raise kind(f"{what}: {len(missing)} of {len(paths)} listed pictures are missing, such as {named}")


def require_unique(names: Sequence[str], what: str) -> None:
    """Check that no file is listed twice.

    Raises:
        DataError: some are; the first three are named.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{what}: {len(twice)} files are listed more than once, such as {', '.join(twice[:3])}")
