"""A training run: one folder that holds the complete recipe, checkpoints, metrics, plots and the final weights."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.data import readers
from fsrfer.errors import RecipeError, TrainingError
from fsrfer.files import atomic_path
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.networks.compact import CompactNet, count_gflop
from fsrfer.recipes.schema import ClassifierRecipe, load_recipe, save_recipe
from fsrfer.training import loop
from fsrfer.training.classifier import ClassifierTrainer
from fsrfer.training.faces import Faces, load_faces
from fsrfer.training.plots import plot_metrics
from fsrfer.version import __version__

RECIPE_FILE, WEIGHTS_FILE = "recipe.toml", "model.safetensors"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished run leaves in memory for export.

    Attributes:
        network: with its final (averaged) weights, in evaluation mode.
        recipe: the complete recipe.
        train, valid: the faces it was trained on, and those to calibrate on.
        validation: what the latter are, such as ``ferplus valid``.
    """

    network: nn.Module
    recipe: ClassifierRecipe
    train: Faces
    valid: Faces
    validation: str


def open_run(folder: Path, recipe: ClassifierRecipe, resume: bool) -> None:
    """Make the run's folder, or check that a resumed one was begun with the same recipe.

    Raises:
        TrainingError: the folder holds a run already and ``resume`` was not asked for.
        RecipeError: the recipe differs from the one the run was begun with.
    """
    kept = folder / RECIPE_FILE
    if kept.exists():
        if not resume:
            raise TrainingError(
                f"{folder}: holds a run already; add --resume to go on with it, or choose another folder"
            )
        if load_recipe(str(kept)) != recipe:
            raise RecipeError(
                f"{kept}: this run was begun with other settings; give the same ones, or choose another folder"
            )
    save_recipe(recipe, kept)


def train_classifier(fabric: Fabric, recipe: ClassifierRecipe, sources: Mapping[str, Path], folder: Path) -> Trained:
    """Train by a recipe on the ``train`` split of every source, choosing on the recipe's validation set.

    Raises:
        RecipeError: the validation set is not among the sources, or the batch does not divide among the processes.
        DataError: a data set is not in its published layout.
        TrainingError: training diverged.
    """
    if recipe.validation not in sources:
        raise RecipeError(f"the recipe validates on {recipe.validation}: add --data {recipe.validation}=PATH")
    if recipe.loop.batch_size % fabric.world_size:
        raise RecipeError(
            f"loop.batch_size {recipe.loop.batch_size} does not divide among {fabric.world_size} processes"
        )
    train = _with_labels(_load(recipe, sources, "train"), recipe.labels)
    split = _validation_split(recipe.validation)
    valid = _load(recipe, {recipe.validation: sources[recipe.validation]}, split)
    torch.manual_seed(recipe.seed)
    network = build_network(recipe)
    trainer = ClassifierTrainer(fabric, recipe, network, train, valid)
    loop.run(fabric, trainer, recipe.loop, folder, "classifier")
    network.load_state_dict(trainer.average.state_dict())
    if fabric.is_global_zero:
        save_weights(network, folder / WEIGHTS_FILE)
        plot_metrics(folder / "metrics-classifier.csv", folder / "curves.png")
    return Trained(network.eval().cpu(), recipe, train, valid, f"{recipe.validation} {split}")


def describe(trained: Trained) -> ModelInfo:
    """The description of a trained model, before it is calibrated and measured."""
    recipe = trained.recipe
    return ModelInfo(
        name=recipe.name,
        version=__version__,
        labels=EXPRESSIONS,
        size=recipe.input.size,
        colour=recipe.input.colour,
        margin=recipe.export.margin,
        flip=recipe.export.flip,
        gflop=round(count_gflop(trained.network, recipe.input.channels, recipe.input.size), 4),
        parameters=sum(parameter.numel() for parameter in trained.network.parameters()),
        training=_provenance(recipe, trained.train, trained.valid),
    )


def build_network(recipe: ClassifierRecipe) -> CompactNet:
    """The untrained network of a recipe."""
    settings = recipe.network
    return CompactNet(
        in_channels=recipe.input.channels,
        stem=settings.stem,
        widths=settings.widths,
        blocks=settings.blocks,
        num_classes=len(EXPRESSIONS),
        dropout=settings.dropout,
    )


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, atomically."""
    state: dict[str, Tensor] = {name: value.contiguous() for name, value in network.state_dict().items()}
    with atomic_path(path) as partial:
        save_file(state, partial, metadata={"fsrfer": __version__, "labels": ",".join(EXPRESSIONS)})


def _load(recipe: ClassifierRecipe, sources: Mapping[str, Path], split: str) -> Faces:
    datasets = [readers.read(name, path, split) for name, path in sources.items()]
    return load_faces(datasets, recipe.input.size, recipe.input.colour)


def _with_labels(faces: Faces, labels: str) -> Faces:
    if labels == "votes":
        return faces
    return Faces(faces.pixels, F.one_hot(faces.labels, len(EXPRESSIONS)).float(), faces.labels, faces.hashes)


def _validation_split(name: str) -> str:
    splits = readers.SPLITS.get(name, ("train", "valid"))
    return next(split for split in ("valid", "val", "test") if split in splits)


def _provenance(recipe: ClassifierRecipe, train: Faces, valid: Faces) -> dict[str, Any]:
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "steps": recipe.loop.max_steps,
        "faces": len(train),
        "data_sha256": {**train.hashes, **valid.hashes},
        "fsrfer": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
