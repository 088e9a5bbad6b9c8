"""A training run: one folder that holds the complete recipe, checkpoints, metrics, plots and the final weights."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fsrfer.errors import RecipeError, TrainingError
from fsrfer.files import atomic_path, write_text
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.networks.compact import CompactNet
from fsrfer.networks.cost import count_gflop
from fsrfer.networks.ensemble import ExpressionNetwork
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.recipes.ensemble import EnsembleRecipe
from fsrfer.recipes.schema import Recipe, load_recipe, save_recipe, shortened
from fsrfer.recipes.sections import CompactSettings, LoopSettings
from fsrfer.training import loop
from fsrfer.training.classifier import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compact import CompactTrainer
from fsrfer.training.faces import TrainingData, as_maps, load_training_data
from fsrfer.training.networks import compact_net
from fsrfer.training.parents import CALIBRATION_FACES, inherit, load_exported
from fsrfer.training.plots import plot_stages
from fsrfer.training.refinery import refined
from fsrfer.version import __version__

RECIPE_FILE, WEIGHTS_FILE, ORIGIN_FILE = "recipe.toml", "model.safetensors", "origin.txt"

Init = Path | tuple[str, bytes] | None
"""What stands for a recipe's network: the folder of a finished run, name and content of an exported model, or nothing."""


@dataclass(frozen=True, slots=True)
class Given:
    """What stands for the networks that a recipe builds on; those that are given are not trained."""

    parent: Init = None
    teacher: Init = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished run leaves in memory for export.

    Attributes:
        network: with its final (averaged) weights, in evaluation mode.
        recipe: the complete recipe.
        data: the faces it was trained on, and those to calibrate on.
        making: recipe, origin, seed and steps, for the model file.
    """

    network: ExpressionNetwork
    recipe: ClassifierRecipe | CompactRecipe | EnsembleRecipe
    data: TrainingData
    making: Mapping[str, Any]


def open_run(folder: Path, recipe: Recipe, resume: bool) -> None:
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
        _require_same(recipe, kept)
    save_recipe(recipe, kept)


def _require_same(recipe: Recipe, kept: Path) -> None:
    if load_recipe(str(kept)) != recipe:
        raise RecipeError(
            f"{kept}: this run was begun with other settings; give the same ones, or choose another folder"
        )


def train_compact(
    fabric: Fabric,
    recipe: CompactRecipe | ClassifierRecipe,
    sources: Mapping[str, Path],
    folder: Path,
    given: Given = Given(),
    max_steps: int | None = None,
) -> Trained:
    """Train a compact network by a recipe on the ``train`` split of every source, choosing nothing by validation.

    Args:
        fabric: where to compute.
        recipe: the experiment.
        sources: data sets by name.
        folder: of the run; a parent is trained in its sub-folder ``parent``, a teacher of its own in ``teacher``.
        given: what to take for parent and teacher.
        max_steps: at most so many for parent and teacher; the recipe says its own.

    Raises:
        RecipeError: the validation set is not among the sources, the batch does not divide among the processes, the
            parent takes other faces, or the folder's run was begun with other settings or from another start.
        DataError: a data set is not in its published layout.
        TrainingError: training diverged.
        ModelError: an exported model was made by another recipe than it stands for.
    """
    data = load_training_data(recipe, sources)
    network = train_network(fabric, recipe, data, folder, given, max_steps).eval().cpu()
    return Trained(network, recipe, data, making(recipe, _origin(recipe, given)))


def train_network(
    fabric: Fabric,
    recipe: CompactRecipe | ClassifierRecipe,
    data: TrainingData,
    folder: Path,
    given: Given = Given(),
    max_steps: int | None = None,
) -> CompactNet:
    """The network of a recipe, trained in a folder after those it builds on; one that is finished there is only loaded."""
    begin(folder, _origin(recipe, given))
    if (folder / WEIGHTS_FILE).is_file():
        return load_network(recipe, folder)
    parent = teacher = None
    if isinstance(recipe, CompactRecipe) and recipe.parent:
        parent = _built_on(fabric, parent_recipe(recipe), data, folder / "parent", given.parent, max_steps)
    if isinstance(recipe, CompactRecipe) and recipe.own_teacher:
        teacher = _built_on(fabric, teacher_recipe(recipe), data, folder / "teacher", given.teacher, max_steps)
    return train_from(fabric, recipe, parent, data, folder, teacher)


def train_from(
    fabric: Fabric,
    recipe: CompactRecipe | ClassifierRecipe,
    parent: CompactNet | None,
    data: TrainingData,
    folder: Path,
    teacher: CompactNet | None = None,
) -> CompactNet:
    """As `train_network`, from a parent, and by a teacher of another recipe, that are there already."""
    check_batches(fabric, [recipe.loop])
    if (folder / WEIGHTS_FILE).is_file():
        return load_network(recipe, folder)
    if fabric.is_global_zero:
        open_run(folder, recipe, resume=True)
    network = compact_net(recipe)
    trainer: ClassifierTrainer | CompactTrainer
    if isinstance(recipe, ClassifierRecipe):
        plan = ClassifierPlan(
            recipe.seed, recipe.input.size, recipe.degradation, recipe.augmentation, recipe.optimizer, recipe.loop
        )
        trainer, stage = ClassifierTrainer(fabric, plan, network, data.train, data.valid), "classifier"
    else:
        if parent is not None:
            inherit(network, parent)
        if (second_opinion := teacher or parent) is not None:
            data = replace(data, train=refined(fabric, data.train, second_opinion, recipe.refined))
        taught_by = None if not recipe.follows else parent if recipe.teacher == "parent" else teacher
        trainer, stage = CompactTrainer(fabric, recipe, network, taught_by, data.train, data.valid), "compact"
    loop.run(fabric, trainer, recipe.loop, folder, stage)
    network.load_state_dict(trainer.average.state_dict())
    if fabric.is_global_zero:
        save_weights(network, folder / WEIGHTS_FILE)
        plot_stages(folder)
    fabric.barrier()
    return network


def finished_recipe(folder: Path) -> CompactRecipe | ClassifierRecipe:
    """The recipe of a finished run of one compact network.

    Raises:
        TrainingError: the folder holds none.
    """
    if not (folder / RECIPE_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise TrainingError(f"{folder}: no finished run there; train it first, or name a model file")
    recipe = load_recipe(str(folder / RECIPE_FILE))
    if not isinstance(recipe, CompactRecipe | ClassifierRecipe):
        raise TrainingError(f"{folder}: a run of {recipe.name} holds no compact network")
    return recipe


def load_network(recipe: CompactRecipe | ClassifierRecipe, folder: Path) -> CompactNet:
    """The network of a finished run.

    Raises:
        RecipeError: the run was begun with another recipe.
    """
    _require_same(recipe, folder / RECIPE_FILE)
    network = compact_net(recipe)
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return network


def parent_recipe(recipe: CompactRecipe) -> CompactRecipe | ClassifierRecipe:
    """The recipe that another names as its parent.

    Raises:
        RecipeError: there is none, it is for another kind of network, or for other faces.
    """
    return _named(recipe, "parent", recipe.parent)


def teacher_recipe(recipe: CompactRecipe) -> CompactRecipe | ClassifierRecipe:
    """The recipe that another names as its teacher.

    Raises:
        RecipeError: as `parent_recipe`.
    """
    return _named(recipe, "teacher", recipe.own_teacher)


def _named(recipe: CompactRecipe, role: str, name: str) -> CompactRecipe | ClassifierRecipe:
    described = load_recipe(name)
    if not isinstance(described, CompactRecipe | ClassifierRecipe):
        raise RecipeError(f"recipe {recipe.name}: its {role} {name} is not a compact network")
    require_same_faces(recipe, described, f"{role} {name}")
    return described


def require_same_faces(
    recipe: CompactRecipe | EnsembleRecipe, other: ClassifierRecipe | CompactRecipe, who: str
) -> None:
    """Check that two networks take faces of one size and colour.

    Raises:
        RecipeError: they do not.
    """
    if other.input != recipe.input:
        raise RecipeError(
            f"recipe {recipe.name}: its {who} takes {other.input.colour} faces of "
            f"{other.input.size} pixels, not {recipe.input.colour} ones of {recipe.input.size}"
        )


def _require_same_maps(recipe: CompactRecipe, teacher: ClassifierRecipe | CompactRecipe, who: str) -> None:
    """Any network can follow a teacher's answers; its maps, and what is pooled from them, only one that makes such too."""
    theirs, mine, losses = teacher.network, recipe.network, recipe.losses
    followed = losses.feature or losses.attention or losses.perceptual or losses.adversarial
    if followed and _last_map(theirs) != _last_map(mine):
        raise RecipeError(
            f"recipe {recipe.name}: its {who} makes other maps (network.widths {theirs.widths} and .stem_stride "
            f"{theirs.stem_stride}, not {mine.widths} and {mine.stem_stride}), so only its answers can be followed; "
            "set losses.feature, .attention, .perceptual and .adversarial to 0"
        )


def _last_map(network: CompactSettings) -> tuple[int, int, int]:
    return network.stem_stride, len(network.widths), network.widths[-1]


def check_start(recipe: ClassifierRecipe | CompactRecipe, given: Given) -> None:
    """Check what a recipe builds on, before data are read and a folder is made.

    Raises:
        RecipeError: the recipe builds on itself, or one that it builds on takes other faces or makes other maps than
            those to follow.
        ModelError: what stands for the parent or the teacher was made by another recipe.
    """
    _require_an_end(recipe, ())
    if isinstance(recipe, ClassifierRecipe):
        return
    blank = torch.zeros(2, recipe.input.channels, recipe.input.size, recipe.input.size)
    if recipe.parent and given.parent is not None:
        inherit(compact_net(recipe), _given(parent_recipe(recipe), given.parent, blank))
    if recipe.own_teacher and given.teacher is not None:
        _given(teacher_recipe(recipe), given.teacher, blank)
    if recipe.teacher != "self":
        init, named = (given.teacher, teacher_recipe) if recipe.own_teacher else (given.parent, parent_recipe)
        teacher = finished_recipe(init) if isinstance(init, Path) else named(recipe)
        who = f"teacher {init if isinstance(init, Path) else recipe.own_teacher or recipe.parent}"
        require_same_faces(recipe, teacher, who)
        _require_same_maps(recipe, teacher, who)


def _require_an_end(recipe: ClassifierRecipe | CompactRecipe, above: tuple[str, ...]) -> None:
    """A recipe must not be among those it builds on."""
    if isinstance(recipe, ClassifierRecipe):
        return
    for name, below in ((recipe.parent, parent_recipe), (recipe.own_teacher, teacher_recipe)):
        if name in above:
            raise RecipeError(f"recipe {recipe.name}: what it builds on leads back to {name}")
        if name:
            _require_an_end(below(recipe), (*above, name))


def _built_on(
    fabric: Fabric,
    described: ClassifierRecipe | CompactRecipe,
    data: TrainingData,
    folder: Path,
    init: Init,
    max_steps: int | None,
) -> CompactNet:
    """A network that a recipe builds on: given, or trained now."""
    if init is not None:
        return _given(described, init, as_maps(data.train.pixels[:CALIBRATION_FACES]).float())
    described = described if max_steps is None else shortened(described, max_steps)
    return train_network(fabric, described, data, folder, max_steps=max_steps)


def _given(described: ClassifierRecipe | CompactRecipe, init: Path | tuple[str, bytes], faces: Tensor) -> CompactNet:
    """The network that stands for a recipe's; an exported one needs some typical faces."""
    if isinstance(init, Path):
        return load_network(finished_recipe(init), init)
    network, (name, model) = compact_net(described), init
    load_exported(network, model, faces, name)
    return network


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
        gflop=round(count_gflop(trained.network, [trained.network], recipe.input.channels, recipe.input.size), 4),
        parameters=sum(parameter.numel() for parameter in trained.network.parameters()),
        training=_provenance(trained),
    )


def check_batches(fabric: Fabric, loops: Iterable[LoopSettings]) -> None:
    """Check that every batch divides among the processes.

    Raises:
        RecipeError: one does not.
    """
    for settings in loops:
        if settings.batch_size % fabric.world_size:
            raise RecipeError(f"batch_size {settings.batch_size} does not divide among {fabric.world_size} processes")


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, atomically."""
    state: dict[str, Tensor] = {name: value.contiguous() for name, value in network.state_dict().items()}
    with atomic_path(path) as partial:
        save_file(state, partial, metadata={"fsrfer": __version__, "labels": ",".join(EXPRESSIONS)})


def _origin(recipe: ClassifierRecipe | CompactRecipe, given: Given) -> str:
    if isinstance(recipe, ClassifierRecipe):
        return "scratch"
    start = source_of(recipe.parent, given.parent) if recipe.parent else "scratch"
    return f"{start}; taught by {source_of(recipe.own_teacher, given.teacher)}" if recipe.own_teacher else start


def source_of(recipe: str, init: Init) -> str:
    """What stands for a recipe, in words, with its hash."""
    if init is None:
        return f"recipe {recipe}, trained first"
    model = (init / WEIGHTS_FILE).read_bytes() if isinstance(init, Path) else init[1]
    name = f"a run of recipe {load_recipe(str(init / RECIPE_FILE)).name}" if isinstance(init, Path) else init[0]
    return f"{name}, SHA-256 {sha256(model).hexdigest()}"


def begin(folder: Path, origin: str) -> None:
    """Write down what a run builds on, or check that a resumed one was begun with the same.

    Raises:
        RecipeError: it was not.
    """
    kept = folder / ORIGIN_FILE
    if kept.exists() and (before := kept.read_text("utf-8").strip()) != origin:
        raise RecipeError(f"{folder}: begun from {before}, not {origin}; give the same --init, --teacher and --members")
    write_text(kept, origin + "\n")


def _provenance(trained: Trained) -> dict[str, Any]:
    data = trained.data
    return {
        **trained.making,
        "faces": len(data.train),
        "data_sha256": {**data.train.hashes, **data.valid.hashes},
        "fsrfer": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def making(recipe: ClassifierRecipe | CompactRecipe, origin: str) -> dict[str, Any]:
    """How one network was made, for the model file."""
    return {"recipe": recipe.name, "origin": origin, "seed": recipe.seed, "steps": recipe.loop.max_steps}
