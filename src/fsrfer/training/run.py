"""The folder of a training run: its recipe, what it was made from, checkpoints, metrics, plots and the final weights."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fsrfer.errors import RecipeError, TrainingError
from fsrfer.files import atomic_path, write_text
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_folder import require_listed
from fsrfer.recipes.schema import Recipe, load_recipe, save_recipe
from fsrfer.recipes.sections import LoopSettings
from fsrfer.training.compute import seen_everywhere
from fsrfer.version import __version__

RECIPE_FILE, WEIGHTS_FILE, ORIGIN_FILE = "recipe.toml", "model.safetensors", "origin.json"


def check_run(folder: Path, recipe: Recipe, resume: bool) -> None:
    """Check, before data are read, that a run can be begun in a folder, or resumed with the same recipe; writes nothing.

    Raises:
        TrainingError: the folder holds a run and ``resume`` was not asked for, or holds none and it was.
        RecipeError: the recipe differs from the one the run was begun with.
    """
    exists = is_begun(folder)
    if exists and not resume:
        raise TrainingError(f"{folder}: holds a run already; add --resume to resume it, or choose another folder")
    if resume and not exists:
        raise TrainingError(f"{folder}: there is no run to resume; leave out --resume, or name the run's folder")
    _require_same(folder, recipe)


def is_begun(folder: Path) -> bool:
    """Whether a folder holds a run, finished or not."""
    return (folder / RECIPE_FILE).exists()


def begin_or_resume(folder: Path, recipe: Recipe) -> None:
    """Write down a run's recipe, or check that it was begun with the same.

    Raises:
        RecipeError: it was not.
    """
    _require_same(folder, recipe)
    save_recipe(recipe, folder / RECIPE_FILE)


def _require_same(folder: Path, recipe: Recipe) -> None:
    kept = folder / RECIPE_FILE
    if kept.exists() and load_recipe(str(kept)) != recipe:
        raise RecipeError(
            f"{kept}: this run was begun with other settings; give the same ones, or choose another folder"
        )


def require_one_origin(fabric: Fabric, origin: Mapping[str, Any]) -> None:
    """Check that all processes train on the same data, from the same start.

    Raises:
        TrainingError: they do not.
    """
    digest = sha256(json.dumps(origin, sort_keys=True).encode()).digest()
    if len({*seen_everywhere(fabric, int.from_bytes(digest[:7], "big"))}) > 1:
        raise TrainingError(
            "the processes of this training have other data, or start from something else; give all machines the same"
        )


def record_origin(folder: Path, origin: Mapping[str, Any]) -> None:
    """Write down what a run is made from (data with their hashes, teachers, start), or check that it was begun with the same.

    Raises:
        RecipeError: it was begun with other data, or from something else; the message names what differs.
    """
    kept = folder / ORIGIN_FILE
    if kept.exists():
        before, now = _leaves(_read_origin(kept)), _leaves(origin)
        if changed := sorted(name for name in {*before, *now} if before.get(name) != now.get(name)):
            name = changed[0]
            raise RecipeError(
                f"{folder}: begun with {name} {before.get(name, 'none')}, not {now.get(name, 'none')}; "
                "give the same, or choose another folder"
            )
    write_text(kept, json.dumps(origin, indent=1) + "\n")


def _leaves(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Every single thing of an origin, by its names one after the other, such as ``data rafdb train``."""
    leaves: dict[str, Any] = {}
    for name, value in origin.items():
        inner = _leaves(value) if isinstance(value, Mapping) else {"": value}
        leaves |= {f"{name} {rest}".strip(): leaf for rest, leaf in inner.items()}
    return leaves


def _read_origin(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); train again in another folder") from error


def is_finished(folder: Path) -> bool:
    """Whether a run's final weights are there."""
    return (folder / WEIGHTS_FILE).is_file()


def finished_recipe(folder: Path) -> Recipe:
    """The recipe of a finished run.

    Raises:
        TrainingError: the folder holds none.
    """
    if not (folder / RECIPE_FILE).is_file() or not is_finished(folder):
        raise TrainingError(f"{folder}: no finished run there; train it first, or resume it with --resume")
    return load_recipe(str(folder / RECIPE_FILE))


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, atomically."""
    state: dict[str, Tensor] = {name: value.contiguous() for name, value in network.state_dict().items()}
    with atomic_path(path) as partial:
        save_file(state, partial, metadata={"fsrfer": __version__, "labels": ",".join(EXPRESSIONS)})


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network with the weights of a file.

    Raises:
        ModelError: the file is not the one that its folder lists, if that was passed on.
        TrainingError: the file cannot be read, or is of another network.
    """
    try:
        require_listed(path, path.read_bytes())
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: not the weights of this network ({reason}); train it again") from error


def check_batches(fabric: Fabric, loops: Iterable[LoopSettings]) -> None:
    """Check that every batch divides among the processes.

    Raises:
        RecipeError: one does not.
    """
    for settings in loops:
        if settings.batch_size % fabric.world_size:
            raise RecipeError(f"batch_size {settings.batch_size} does not divide among {fabric.world_size} processes")
