"""Training data in memory, as tensors."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from fsrfer.data import readers
from fsrfer.data.dataset import FaceDataset, fingerprint, load_pixels
from fsrfer.errors import DataError, RecipeError
from fsrfer.labels import EXPRESSIONS
from fsrfer.recipes.sections import InputSettings, SourceSettings

HELD_OUT_EVERY = 10
"""Where a data set has no validation part, every tenth training face is held out as one."""

LEAST_VALIDATION = 2
"""Faces: calibration is judged on one half of them after the other."""

LEAST_CLASSES = 2
"""Expressions that faces to train on must show."""


class DataNeeds(Protocol):
    """What any recipe says of its data."""

    @property
    def validation(self) -> str:
        """Name of the data set to validate on."""

    @property
    def labels(self) -> Literal["votes", "majority"]:
        """Label distributions, or the winning class alone."""

    @property
    def input(self) -> InputSettings:
        """Size and colour of the faces."""


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one or more data sets, at one size.

    Attributes:
        pixels: uint8, N x S x S (grey) or N x S x S x 3.
        votes: float32, N x 7, label distributions.
        labels: long, N.
        heights: long, N: in pixels, before the faces were brought to one size.
        hashes: SHA-256 of each data set's decoded faces and votes, by ``name split``.
        weights: float32, N, of the labels in the loss; None where all count alike.
    """

    pixels: Tensor
    votes: Tensor
    labels: Tensor
    heights: Tensor
    hashes: dict[str, str]
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Faces":
        """The same on another device."""
        return replace(
            self,
            pixels=self.pixels.to(device),
            votes=self.votes.to(device),
            labels=self.labels.to(device),
            heights=self.heights.to(device),
            weights=None if self.weights is None else self.weights.to(device),
        )


def spread(faces: Faces, count: int) -> Faces:
    """At most ``count`` of the faces, from all over them, as readers may give them class by class."""
    rows = torch.linspace(0, len(faces) - 1, min(count, len(faces)), dtype=torch.float64).round().long()
    return replace(
        faces,
        pixels=faces.pixels[rows],
        votes=faces.votes[rows],
        labels=faces.labels[rows],
        heights=faces.heights[rows],
        weights=None if faces.weights is None else faces.weights[rows],
    )


def load_faces(
    datasets: list[FaceDataset],
    size: int,
    colour: Literal["grey", "rgb"],
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Faces:
    """Decode data sets into one `Faces`."""
    loaded = [load_pixels(dataset, size, colour, track) for dataset in datasets]
    pixels, heights = [part for part, _ in loaded], [part for _, part in loaded]
    return Faces(
        pixels=torch.cat([torch.from_numpy(part) for part in pixels]),
        votes=torch.cat([torch.from_numpy(dataset.votes) for dataset in datasets]),
        labels=torch.cat([torch.from_numpy(dataset.labels) for dataset in datasets]),
        heights=torch.cat([torch.from_numpy(part) for part in heights]),
        hashes={f"{d.name} {d.split}": fingerprint(part, d.votes) for d, part in zip(datasets, pixels, strict=True)},
    )


def as_maps(pixels: Tensor) -> Tensor:
    """Pixels as the N x C x S x S maps that convolutions take."""
    return pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Faces to train on, and faces to choose by.

    Attributes:
        train, valid: at the recipe's size and colour.
        validation: what ``valid`` is, such as ``ferplus valid``.
        parts: name and number of faces of each data set in ``train``, in their order.
    """

    train: Faces
    valid: Faces
    validation: str
    parts: tuple[tuple[str, int], ...] = ()


def load_training_data(needs: DataNeeds, sources: Mapping[str, Path]) -> TrainingData:
    """Read the training part of every source, and the validation part of the recipe's.

    Raises:
        RecipeError: the validation set is not among the sources.
        DataError: a data set is not in its published layout, or too small for the last steps: calibration, which needs two
            validation faces, and the classifiers, which need two expressions.
    """
    if needs.validation not in sources:
        raise RecipeError(
            f"the recipe validates on {needs.validation}: add --data {needs.validation}=PATH, or --set validation=NAME"
        )
    train = {name: readers.read(name, path, "train") for name, path in sources.items()}
    if "valid" in readers.splits_of(needs.validation, sources[needs.validation]):
        valid = readers.read(needs.validation, sources[needs.validation], "valid")
    else:
        valid, train[needs.validation] = hold_out(train[needs.validation])
    _check_enough(list(train.values()), valid)
    size, colour = needs.input.size, needs.input.colour
    faces = load_faces(list(train.values()), size, colour)
    parts = tuple((name, len(dataset)) for name, dataset in train.items())
    data = TrainingData(faces, load_faces([valid], size, colour), f"{valid.name} {valid.split}", parts)
    return by_majority(data) if needs.labels == "majority" else data


def _check_enough(train: list[FaceDataset], valid: FaceDataset) -> None:
    if len(valid) < LEAST_VALIDATION:
        raise DataError(
            f"{valid.name} {valid.split}: {len(valid)} face to validate on, and {LEAST_VALIDATION} are needed; add more"
        )
    shown = {int(label) for dataset in train for label in dataset.labels}
    if len(shown) < LEAST_CLASSES:
        names = " and ".join(f"{dataset.name} {dataset.split}" for dataset in train)
        raise DataError(f"{names}: all faces show {EXPRESSIONS[shown.pop()]}; at least two expressions are needed")


def by_majority(data: TrainingData) -> TrainingData:
    """The same faces to train on, each with all its votes on its winning class."""
    votes = F.one_hot(data.train.labels, len(EXPRESSIONS)).float()
    return replace(data, train=replace(data.train, votes=votes))


def trusted(data: TrainingData, settings: Mapping[str, SourceSettings]) -> TrainingData:
    """The same faces to train on, their labels smoothed and weighed as a recipe says of each data set.

    Raises:
        RecipeError: it speaks of a data set that is not trained on.
    """
    if unknown := sorted(set(settings) - {name for name, _ in data.parts}):
        raise RecipeError(f"sources.{unknown[0]}: not among the data sets; add --data {unknown[0]}=PATH")
    if all(one == SourceSettings() for one in settings.values()):
        return data
    votes, weights, start = data.train.votes.clone(), torch.ones(len(data.train)), 0
    for name, count in data.parts:
        here, chosen = slice(start, start + count), settings.get(name, SourceSettings())
        votes[here] = torch.lerp(votes[here], torch.tensor(1 / len(EXPRESSIONS)), chosen.smoothing)
        weights[here] = chosen.weight
        start += count
    return replace(data, train=replace(data.train, votes=votes, weights=weights))


def hold_out(dataset: FaceDataset) -> tuple[FaceDataset, FaceDataset]:
    """Every tenth face as a validation part, and the rest."""
    if len(dataset) < HELD_OUT_EVERY:
        raise DataError(
            f"{dataset.name} {dataset.split}: {len(dataset)} faces and no validation part, too few to hold out every "
            f"{HELD_OUT_EVERY}th; add some as the split valid"
        )
    held = tuple(dataset.samples[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
    rest = tuple(s for number, s in enumerate(dataset.samples, 1) if number % HELD_OUT_EVERY)
    return (
        FaceDataset(dataset.name, f"{dataset.split} (every tenth)", held),
        FaceDataset(dataset.name, f"{dataset.split} (nine of ten)", rest),
    )
