"""Training data in memory, as tensors."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fsrfer.data.dataset import FaceDataset, fingerprint, load_pixels


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one or more data sets, at one size.

    Attributes:
        pixels: uint8, N x S x S (grey) or N x S x S x 3.
        votes: float32, N x 7, label distributions.
        labels: long, N.
        hashes: SHA-256 of each data set's decoded faces and votes, by ``name split``.
    """

    pixels: Tensor
    votes: Tensor
    labels: Tensor
    hashes: dict[str, str]

    def __len__(self) -> int:
        return len(self.labels)


def load_faces(
    datasets: list[FaceDataset],
    size: int,
    colour: Literal["grey", "rgb"],
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Faces:
    """Decode data sets into one `Faces`."""
    pixels = [load_pixels(dataset, size, colour, track) for dataset in datasets]
    return Faces(
        pixels=torch.cat([torch.from_numpy(part) for part in pixels]),
        votes=torch.cat([torch.from_numpy(dataset.votes) for dataset in datasets]),
        labels=torch.cat([torch.from_numpy(dataset.labels) for dataset in datasets]),
        hashes={f"{d.name} {d.split}": fingerprint(part, d.votes) for d, part in zip(datasets, pixels, strict=True)},
    )


def as_maps(pixels: Tensor) -> Tensor:
    """Pixels as the N x C x S x S maps that convolutions take."""
    return pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
