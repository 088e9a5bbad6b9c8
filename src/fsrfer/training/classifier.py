"""A run of a classifier recipe: its networks one after another, some taught by those before them, then joined."""

import platform
import shutil
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from fsrfer.errors import RecipeError
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.networks.cost import count_gflop
from fsrfer.networks.ensemble import SizedNetwork, members_of
from fsrfer.networks.residual import ResidualNet
from fsrfer.recipes.classifier import ClassifierRecipe, NetworkSettings
from fsrfer.recipes.schema import load_recipe, shortened
from fsrfer.training import loop
from fsrfer.training.build import joined, named_network
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compute import freeze, gathered, place
from fsrfer.training.faces import TrainingData, load_training_data, trusted
from fsrfer.training.lesson_trainer import LessonTrainer
from fsrfer.training.lessons import Lessons, last_side
from fsrfer.training.plots import plot_stages
from fsrfer.training.run import (
    WEIGHTS_FILE,
    begin_or_resume,
    check_batches,
    is_finished,
    load_weights,
    record_origin,
    require_one_origin,
    save_weights,
)
from fsrfer.training.start import NETWORKS, TYPICAL_BATCHES, Start, finished_classifier, load_members
from fsrfer.training.teaching import blended_labels
from fsrfer.training.views import ViewPlan, ViewSampler
from fsrfer.version import __version__

STAGE = "classifier"
LESSONS = "lessons"
"""In a network's run, until all networks are trained: what its teachers make of the views it learns from."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is there already.

    Attributes:
        start: where the networks start from, instead of from scratch.
        teachers: finished models by the recipe that they stand for; the others are trained first.
        members: finished runs of single networks, by the network that they stand for; the others are trained.
    """

    start: Start | None = None
    teachers: Mapping[str, Start] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished run leaves in memory for export.

    Attributes:
        network: with its final (averaged) weights, in evaluation mode, on the CPU.
        recipe: the complete recipe.
        data: the faces it was trained on, and those to calibrate on.
        origin: what it was made from, for the model file.
    """

    network: SizedNetwork
    recipe: ClassifierRecipe
    data: TrainingData
    origin: Mapping[str, Any]


def check_given(recipe: ClassifierRecipe, given: Given) -> None:
    """Check what is there already against the recipe, before data are read and a folder is made.

    Raises:
        RecipeError: teachers or members that the recipe does not have, or that take other faces; a recipe that teaches
            itself.
        ModelError: networks of another architecture.
        TrainingError: a folder that holds no finished run.
    """
    blank = torch.zeros(2, recipe.input.channels, recipe.input.size, recipe.input.size)
    if given.start is not None:
        load_members(recipe, given.start, blank)
        if left := [name for name in recipe.networks if name not in recipe.export.members]:
            raise RecipeError(f"recipe {recipe.name}: nothing to start {left[0]} from; it is not in a model file")
    for name, teacher in given.teachers.items():
        load_members(outside_recipe(recipe, name), teacher, blank)
    _check_teachers(recipe, given.teachers, ())
    _check_starts(recipe)
    for name, folder in given.members.items():
        theirs = finished_classifier(folder)
        if theirs.input != recipe.input or [*theirs.networks.values()] != [recipe.networks[name]]:
            raise RecipeError(
                f"{folder}: not a run of {recipe.name}'s network {name} with these settings; give its own folder in {NETWORKS}/"
            )


def _check_teachers(recipe: ClassifierRecipe, given: Mapping[str, Start], taught: tuple[str, ...]) -> None:
    """Check the recipes of all teachers that are to be trained first, and of theirs."""
    for name in recipe.outside_teachers:
        if name in taught:
            raise RecipeError(
                f"recipe {recipe.name}: its teacher {name} is taught by {recipe.name} itself; name another"
            )
        teacher = outside_recipe(recipe, name)
        if name not in given:
            _check_teachers(teacher, {}, (*taught, name))
            _check_starts(teacher)


def _check_starts(recipe: ClassifierRecipe) -> None:
    """Check the networks of other recipes that this one's start from."""
    for name, settings in recipe.networks.items():
        if not settings.start or settings.start in recipe.networks:
            continue
        teachers = [outside_recipe(recipe, one) for one in settings.teachers if one not in recipe.networks]
        firsts = [one.networks[settings.start] for one in teachers if settings.start in one.export.members]
        if not firsts:
            raise RecipeError(
                f"recipe {recipe.name}: {name} starts from {settings.start}, which none of its teachers has"
            )
        if not firsts[0].is_built_like(settings):
            raise RecipeError(f"recipe {recipe.name}: {name} starts from {settings.start}, of another architecture")


def outside_recipe(recipe: ClassifierRecipe, name: str) -> ClassifierRecipe:
    """The recipe of a teacher that is no network of this one.

    Raises:
        RecipeError: there is none, or it takes other faces.
    """
    teacher = load_recipe(name)
    if not isinstance(teacher, ClassifierRecipe):
        raise RecipeError(f"recipe {recipe.name}: its teacher {name} is no classifier")
    if teacher.input != recipe.input:
        raise RecipeError(
            f"recipe {recipe.name}: its teacher {name} takes {teacher.input.colour} faces of {teacher.input.size} pixels, "
            f"not {recipe.input.colour} ones of {recipe.input.size}"
        )
    return teacher


def train_classifier(
    fabric: Fabric,
    recipe: ClassifierRecipe,
    sources: Mapping[str, Path],
    folder: Path,
    given: Given,
    max_steps: int | None = None,
) -> Trained:
    """Train every network of a recipe on the ``train`` part of every source, choosing nothing by validation.

    Args:
        fabric: where to compute.
        recipe: the experiment.
        sources: data sets by name.
        folder: of the run; each network has a run of its own in a sub-folder of ``networks``, a teacher of another
            recipe that was not given in one of ``teachers``.
        given: what to take instead of training it.
        max_steps: at most so many for teachers that are trained first; the recipe says its own.

    Raises:
        RecipeError: the validation set is not among the sources, a batch does not divide among the processes, or the
            folder's run was begun with other settings, data or teachers.
        DataError: a data set is not in its published layout.
        TrainingError: training diverged.
    """
    check_batches(fabric, [settings.loop for settings in recipe.networks.values()])
    data = trusted(load_training_data(recipe, sources), recipe.sources)
    origin = _origin(recipe, data, given)
    require_one_origin(fabric, origin)
    if fabric.is_global_zero:
        begin_or_resume(folder, recipe)
        record_origin(folder, origin)
    fabric.barrier()
    teachers = _outside_teachers(fabric, recipe, sources, folder, given, data, max_steps)
    networks: dict[str, ResidualNet] = {}
    for name in recipe.networks:
        settings, answering = recipe.networks[name], {**teachers, **networks}
        taught_by = [answering[teacher] for teacher in settings.teachers if teacher in answering]
        outside = [_members_by_name(recipe, one, teachers[one]) for one in settings.teachers if one in teachers]
        first = ChainMap(networks, *outside).get(settings.start)
        networks[name] = _train_network(fabric, recipe, name, data, folder, given, taught_by, first)
    network = joined([networks[name] for name in recipe.export.members]).eval().cpu()
    if fabric.is_global_zero:
        save_weights(network, folder / WEIGHTS_FILE)
        for name in recipe.networks:
            shutil.rmtree(folder / NETWORKS / name / LESSONS, ignore_errors=True)
    fabric.barrier()
    return Trained(network, recipe, data, origin)


def _outside_teachers(
    fabric: Fabric,
    recipe: ClassifierRecipe,
    sources: Mapping[str, Path],
    folder: Path,
    given: Given,
    data: TrainingData,
    max_steps: int | None,
) -> dict[str, SizedNetwork]:
    """Teachers of other recipes: those given, and the others trained first, unless nobody is left to learn from them."""
    teachers: dict[str, SizedNetwork] = {}
    for name in [*given.teachers, *_trained_first(recipe, given)]:
        described = outside_recipe(recipe, name)
        if name in given.teachers:
            teacher = joined(load_members(described, given.teachers[name], typical_views(fabric, recipe, data)))
        else:
            # Validated on the same faces, for those must not be among the ones that it is trained on.
            wanted = described.model_copy(update={"validation": recipe.validation})
            wanted = wanted if max_steps is None else shortened(wanted, max_steps)
            below = folder / "teachers" / Path(name).stem
            teacher = train_classifier(fabric, wanted, sources, below, Given(), max_steps).network
        teachers[name] = place(fabric, freeze(teacher))
    return teachers


def _members_by_name(recipe: ClassifierRecipe, name: str, teacher: SizedNetwork) -> dict[str, ResidualNet]:
    """The networks that answer in a teacher of another recipe."""
    return dict(zip(outside_recipe(recipe, name).export.members, members_of([teacher]), strict=True))


def _trained_first(recipe: ClassifierRecipe, given: Given) -> list[str]:
    """Teachers of other recipes that are not there, of networks that are not there."""
    learning = [settings for name, settings in recipe.networks.items() if name not in given.members]
    asked = {teacher for settings in learning for teacher in settings.teachers}
    return [name for name in recipe.outside_teachers if name in asked and name not in given.teachers]


def _train_network(
    fabric: Fabric,
    recipe: ClassifierRecipe,
    name: str,
    data: TrainingData,
    folder: Path,
    given: Given,
    teachers: Sequence[SizedNetwork],
    first: ResidualNet | None,
) -> ResidualNet:
    """One network, frozen, from the weights of a first one if any; one that is finished in its folder is only loaded."""
    run, network, settings = folder / NETWORKS / name, named_network(recipe, name), recipe.networks[name]
    finished = is_finished(run)
    fabric.barrier()  # until all have looked, lest one finishes the run before another looks
    if not finished and name in given.members:
        load_weights(network, given.members[name] / WEIGHTS_FILE)
        _finish(fabric, network, recipe, name, run)
    elif not finished:
        if given.start is not None:
            members = load_members(recipe, given.start, typical_views(fabric, recipe, data))
            network = members[recipe.export.members.index(name)]
        elif first is not None:
            network.load_state_dict(first.state_dict())
        faces = data.train
        if settings.label_share:
            asked = folder / NETWORKS / recipe.first_taught_like(name)
            faces = blended_labels(fabric, faces, teachers, settings.label_share, asked)
        trainer = _trainer(fabric, recipe, name, network, replace(data, train=faces), teachers, folder)
        loop.run(fabric, trainer, settings.loop, run, STAGE)
        network = named_network(recipe, name)
        network.load_state_dict(trainer.learnt())
        _finish(fabric, network, recipe, name, run)
    load_weights(network, run / WEIGHTS_FILE)
    return place(fabric, freeze(network))


def _trainer(
    fabric: Fabric,
    recipe: ClassifierRecipe,
    name: str,
    network: ResidualNet,
    data: TrainingData,
    teachers: Sequence[SizedNetwork],
    folder: Path,
) -> ClassifierTrainer:
    """The trainer of one network of a run's folder, its lessons made where it has some."""
    plan, count = network_plan(recipe, name), recipe.networks[name].lessons
    if not count:
        return ClassifierTrainer(fabric, plan, network, data.train, data.valid, teachers if plan.distillation else ())
    asked = members_of(teachers) if plan.distillation else members_of(teachers)[:1]
    first = recipe.first_taught_like(name)
    views, made = network_plan(recipe, first).views, folder / NETWORKS / first / LESSONS
    side = last_side(network, data.train) if plan.features else 0
    lessons = Lessons(fabric, views, data.train, asked, side, count, made)
    lessons.make_all(lessons.missing())
    return LessonTrainer(fabric, plan, network, lessons, data.valid)


def typical_views(fabric: Fabric, recipe: ClassifierRecipe, data: TrainingData) -> torch.Tensor:
    """Faces as training draws them, for the norms of an exported model, the same in every process.

    Returns:
        float, N x C x S x S, values 0..255, on the CPU.
    """
    plan = network_plan(recipe, recipe.export.members[0]).views
    sampler = ViewSampler(fabric, plan, data.train)
    return torch.cat([gathered(fabric, sampler.batch(step).faces) for step in range(TYPICAL_BATCHES)])


def network_plan(recipe: ClassifierRecipe, name: str) -> ClassifierPlan:
    """What a recipe says of the training of one of its networks."""
    settings = recipe.networks[name]
    return ClassifierPlan(
        seed=settings.seed,
        views=ViewPlan(settings.seed, settings.loop.batch_size, recipe.views, recipe.camera, recipe.augmentation),
        optimizer=settings.optimizer,
        loop=settings.loop,
        size_loss=settings.size_loss,
        distillation=settings.distillation,
        temperature=settings.temperature,
        features=settings.features,
    )


def _finish(fabric: Fabric, network: ResidualNet, recipe: ClassifierRecipe, name: str, run: Path) -> None:
    """Leave a network's folder as a finished run of its own; the weights come last, as they mark it as finished."""
    if fabric.is_global_zero:
        begin_or_resume(run, recipe.alone(name))
        plot_stages(run)
        save_weights(network, run / WEIGHTS_FILE)
    fabric.barrier()


def describe(trained: Trained) -> ModelInfo:
    """The description of a trained model, before it is calibrated and measured."""
    recipe, network = trained.recipe, trained.network
    return ModelInfo(
        name=recipe.name,
        version=__version__,
        labels=EXPRESSIONS,
        size=recipe.input.size,
        colour=recipe.input.colour,
        margin=recipe.export.margin,
        flip=recipe.export.flip,
        gflop=round(count_gflop(network, [network], recipe.input.channels, recipe.input.size), 4),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        training={
            "recipe": recipe.name,
            "origin": {name: value for name, value in trained.origin.items() if name != "data"},
            "data_sha256": trained.origin["data"],
            "networks": {name: _steps(recipe.networks[name]) for name in recipe.networks},
            "faces": len(trained.data.train),
            "fsrfer": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
    )


def _steps(settings: NetworkSettings) -> dict[str, Any]:
    start = {"start": settings.start} if settings.start else {}
    return {"seed": settings.seed, "steps": settings.loop.max_steps, **start, "teachers": settings.teachers}


def _origin(recipe: ClassifierRecipe, data: TrainingData, given: Given) -> dict[str, Any]:
    """What a run is made from, in words that a resumed one must repeat."""
    trained_first = dict.fromkeys(_trained_first(recipe, given), "trained first")
    return {
        "data": {**data.train.hashes, **data.valid.hashes},
        "start": "scratch" if given.start is None else _words(given.start),
        "teachers": {name: _words(one) for name, one in given.teachers.items()} | trained_first,
        "members": {name: _words(one) for name, one in given.members.items()},
    }


def _words(start: Start) -> str:
    content = (start / WEIGHTS_FILE).read_bytes() if isinstance(start, Path) else start[1]
    name = "a finished run" if isinstance(start, Path) else Path(start[0]).name  # the folder is nobody's business
    return f"{name}, SHA-256 {sha256(content).hexdigest()}"
