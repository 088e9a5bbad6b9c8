"""A training run: one folder that holds the complete recipe, checkpoints, metrics, plots and the final weights."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
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
from fsrfer.networks.ensemble import Ensemble, ExpressionNetwork
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.recipes.ensemble import EnsembleRecipe
from fsrfer.recipes.schema import Recipe, load_recipe, save_recipe, shortened
from fsrfer.recipes.sections import LoopSettings
from fsrfer.training import loop
from fsrfer.training.build import compact_net
from fsrfer.training.classifier import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compact import CompactTrainer
from fsrfer.training.faces import TrainingData, as_maps, load_training_data
from fsrfer.training.lineage import NetworkRecipe, lineage, network_recipe, require_same_faces, require_same_maps
from fsrfer.training.parents import CALIBRATION_FACES, inherit, load_exported
from fsrfer.training.plots import plot_stages
from fsrfer.training.refinery import refined
from fsrfer.version import __version__

RECIPE_FILE, WEIGHTS_FILE, ORIGIN_FILE = "recipe.toml", "model.safetensors", "origin.txt"

NETWORKS = "networks"
"""The sub-folder of a run that holds a run for each network it builds on."""

Init = Path | tuple[str, bytes]
"""What stands for a recipe's network: the folder of a finished run, or name and content of an exported model."""

Given = Mapping[str, Init]
"""What stands for the recipes that others build on; those that are given are not trained."""

NOTHING: Given = MappingProxyType({})


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
    recipe: NetworkRecipe | EnsembleRecipe
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
    recipe: NetworkRecipe,
    sources: Mapping[str, Path],
    folder: Path,
    given: Given = NOTHING,
    max_steps: int | None = None,
) -> Trained:
    """Train a compact network by a recipe on the ``train`` split of every source, choosing nothing by validation.

    Args:
        fabric: where to compute.
        recipe: the experiment.
        sources: data sets by name.
        folder: of the run; what it builds on is trained in sub-folders of ``networks``.
        given: what to take instead of training it.
        max_steps: at most so many for what it builds on; the recipe says its own.

    Raises:
        RecipeError: the validation set is not among the sources, the batch does not divide among the processes, the
            parent takes other faces, or the folder's run was begun with other settings or from another start.
        DataError: a data set is not in its published layout.
        TrainingError: training diverged.
        ModelError: an exported model was made by another recipe than it stands for.
    """
    origin = _origin(recipe, given)
    begin(folder, origin)
    data = load_training_data(recipe, sources)
    known = given if _finished(folder) else train_lineage(fabric, recipe, data, folder, given, max_steps)
    network = train_network(fabric, recipe, data, folder, known).eval().cpu()
    return Trained(network, recipe, data, making(recipe, origin))


def train_lineage(
    fabric: Fabric,
    recipe: NetworkRecipe | EnsembleRecipe,
    data: TrainingData,
    folder: Path,
    given: Given = NOTHING,
    max_steps: int | None = None,
) -> Given:
    """Train every network that a recipe builds on, each once, in a run of its own below the recipe's.

    Returns:
        What stands for each of them: what was given, and the finished runs.
    """
    known = dict(given)
    for name in lineage(recipe, given):
        described = network_recipe(name)
        described = described if max_steps is None else shortened(described, max_steps)
        run = run_below(folder, name)
        begin(run, _origin(described, known))
        train_network(fabric, described, data, run, known)
        known[name] = run
    return known


def run_below(folder: Path, name: str) -> Path:
    """The folder of the run of a recipe that a run builds on; it may be named by the path of its file."""
    return folder / NETWORKS / Path(name).stem


def train_network(
    fabric: Fabric, recipe: NetworkRecipe, data: TrainingData, folder: Path, given: Given = NOTHING
) -> CompactNet:
    """The network of a recipe, trained in a folder; one that is finished there is only loaded.

    Args:
        fabric: where to compute.
        recipe: the experiment.
        data: faces at its size and colour.
        folder: of the run.
        given: all that it builds on.
    """
    if _finished(folder) or isinstance(recipe, ClassifierRecipe):
        return train_from(fabric, recipe, None, data, folder)
    typical = as_maps(data.train.pixels[:CALIBRATION_FACES]).float()

    def network(name: str) -> CompactNet:
        return _given(network_recipe(name), given[name], typical)

    parent = network(recipe.parent) if recipe.parent else None
    return train_from(fabric, recipe, parent, data, folder, [network(name) for name in recipe.own_teachers])


def train_from(
    fabric: Fabric,
    recipe: NetworkRecipe,
    parent: CompactNet | None,
    data: TrainingData,
    folder: Path,
    own_teachers: Sequence[CompactNet] = (),
) -> CompactNet:
    """As `train_network`, from a parent, and by teachers of other recipes, that are there already."""
    check_batches(fabric, [recipe.loop])
    if _finished(folder):
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
        parents = [] if parent is None else [parent]
        if parent is not None:
            inherit(network, parent)
        teachers = [*(parents if recipe.parent in recipe.teachers else []), *own_teachers]
        if recipe.refined:
            data = replace(data, train=refined(fabric, data.train, Ensemble(teachers or parents), recipe.refined))
        followed = teachers if recipe.follows else []
        trainer, stage = CompactTrainer(fabric, recipe, network, followed, data.train, data.valid), "compact"
    loop.run(fabric, trainer, recipe.loop, folder, stage)
    network.load_state_dict(trainer.average.state_dict())
    if fabric.is_global_zero:
        save_weights(network, folder / WEIGHTS_FILE)
        plot_stages(folder)
    fabric.barrier()
    return network


def finished_recipe(folder: Path) -> NetworkRecipe:
    """The recipe of a finished run of one compact network.

    Raises:
        TrainingError: the folder holds none.
    """
    if not (folder / RECIPE_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise TrainingError(f"{folder}: no finished run there; train it first, or name a model file")
    recipe = load_recipe(str(folder / RECIPE_FILE))
    if not isinstance(recipe, NetworkRecipe):
        raise TrainingError(f"{folder}: a run of {recipe.name} holds no compact network")
    return recipe


def _finished(folder: Path) -> bool:
    return (folder / WEIGHTS_FILE).is_file()


def load_network(recipe: NetworkRecipe, folder: Path) -> CompactNet:
    """The network of a finished run.

    Raises:
        RecipeError: the run was begun with another recipe.
    """
    _require_same(recipe, folder / RECIPE_FILE)
    network = compact_net(recipe)
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return network


def check_lineage(recipe: NetworkRecipe | EnsembleRecipe, given: Given) -> None:
    """Check what a recipe builds on, before data are read and a folder is made.

    Raises:
        RecipeError: the recipe builds on itself, or one that it builds on takes other faces or makes other maps than
            those to follow.
        ModelError: what stands for a parent or a teacher was made by another recipe.
    """
    for one in (recipe, *map(network_recipe, lineage(recipe, given))):
        if isinstance(one, CompactRecipe):
            _check_start(one, given)


def _check_start(recipe: CompactRecipe, given: Given) -> None:
    blank = torch.zeros(2, recipe.input.channels, recipe.input.size, recipe.input.size)
    if recipe.parent in given:
        inherit(compact_net(recipe), _given(network_recipe(recipe.parent), given[recipe.parent], blank))
    for name in recipe.own_teachers:
        if name in given:
            _given(network_recipe(name), given[name], blank)
    for name in recipe.teachers:
        init = given.get(name)
        described = finished_recipe(init) if isinstance(init, Path) else network_recipe(name)
        who = f"teacher {init if isinstance(init, Path) else name}"
        require_same_faces(recipe, described, who)
        require_same_maps(recipe, described, who)


def _given(described: NetworkRecipe, init: Init, faces: Tensor) -> CompactNet:
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


def _origin(recipe: NetworkRecipe, given: Given) -> str:
    if isinstance(recipe, ClassifierRecipe):
        return "scratch"
    start = source_of(recipe.parent, given) if recipe.parent else "scratch"
    taught_by = " and ".join(source_of(name, given) for name in recipe.own_teachers)
    return f"{start}; taught by {taught_by}" if taught_by else start


def source_of(recipe: str, given: Given) -> str:
    """What stands for a recipe, in words, with its hash."""
    init = given.get(recipe)
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


def making(recipe: NetworkRecipe, origin: str) -> dict[str, Any]:
    """How one network was made, for the model file."""
    return {"recipe": recipe.name, "origin": origin, "seed": recipe.seed, "steps": recipe.loop.max_steps}
