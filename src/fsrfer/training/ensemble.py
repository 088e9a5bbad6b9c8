"""Training the members of an ensemble, one after the other, or taking those that are there."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning_fabric import Fabric

from fsrfer.errors import RecipeError
from fsrfer.files import atomic_path, write_text
from fsrfer.networks.ensemble import Ensemble
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.recipes.ensemble import EnsembleRecipe
from fsrfer.recipes.schema import load_recipe, shortened
from fsrfer.training.faces import TrainingData, load_training_data
from fsrfer.training.run import (
    ORIGIN_FILE,
    RECIPE_FILE,
    WEIGHTS_FILE,
    Given,
    Trained,
    begin,
    check_start,
    finished_recipe,
    load_network,
    making,
    require_same_faces,
    save_weights,
    source_of,
    train_network,
)

MEMBERS = "members"


def check_members(recipe: EnsembleRecipe, given: Sequence[Path]) -> None:
    """Check what an ensemble is made of, before data are read and a folder is made.

    Args:
        recipe: of the ensemble.
        given: finished runs that stand for its members, in their order; or none.

    Raises:
        RecipeError: more or fewer runs than members, a member that is no compact network, or that takes other faces.
        TrainingError: a folder holds no finished run.
    """
    if given and len(given) != len(recipe.members):
        raise RecipeError(
            f"recipe {recipe.name} has {len(recipe.members)} members ({', '.join(recipe.members)}), "
            f"but {len(given)} runs are given"
        )
    if len({_run_of(Path(), name) for name in recipe.members}) < len(recipe.members):
        raise RecipeError(f"recipe {recipe.name}: each member needs a recipe of its own, with a name of its own")
    for name in recipe.members:
        member = _member_recipe(name)
        require_same_faces(recipe, member, f"member {name}")
        check_start(member, Given())
    for folder in given:
        require_same_faces(recipe, finished_recipe(folder), f"member {folder}")


def train_ensemble(
    fabric: Fabric,
    recipe: EnsembleRecipe,
    sources: Mapping[str, Path],
    folder: Path,
    given: Sequence[Path] = (),
    max_steps: int | None = None,
) -> Trained:
    """Train the members of an ensemble on the ``train`` split of every source.

    Args:
        fabric: where to compute.
        recipe: of the ensemble.
        sources: data sets by name.
        folder: of the run; each member has a sub-folder in ``members``, which is a run of its own.
        given: finished runs that stand for the members, in their order; they are copied.
        max_steps: at most so many for each member, and for what it builds on.

    Raises:
        RecipeError, DataError, TrainingError, ModelError: as `run.train_compact`.
    """
    named = dict(zip(recipe.members, given, strict=True)) if given else {}
    origin = "; ".join(source_of(name, named.get(name)) for name in recipe.members)
    begin(folder, origin)
    data = load_training_data(recipe, sources)
    for name in recipe.members:
        if name in named:
            _copy(fabric, named[name], _run_of(folder, name))
        else:
            _train_member(fabric, recipe, name, data, folder, max_steps)
    network = load_ensemble(recipe, folder).eval()
    if fabric.is_global_zero:
        save_weights(network, folder / WEIGHTS_FILE)
    fabric.barrier()
    runs = [_run_of(folder, name) for name in recipe.members]
    made = {
        "recipe": recipe.name,
        "origin": origin,
        "members": [making(finished_recipe(run), _origin_of(run)) for run in runs],
    }
    return Trained(network, recipe, data, made)


def load_ensemble(recipe: EnsembleRecipe, folder: Path) -> Ensemble:
    """The networks of a finished run."""
    runs = [_run_of(folder, name) for name in recipe.members]
    return Ensemble([load_network(finished_recipe(run), run) for run in runs])


def _run_of(folder: Path, member: str) -> Path:
    """The folder of a member's run; a member may be named by the path of its recipe."""
    return folder / MEMBERS / Path(member).stem


def _member_recipe(name: str) -> CompactRecipe | ClassifierRecipe:
    recipe = load_recipe(name)
    if not isinstance(recipe, CompactRecipe | ClassifierRecipe):
        raise RecipeError(f"member {name} is not a compact network")
    return recipe


def _train_member(
    fabric: Fabric, ensemble: EnsembleRecipe, name: str, data: TrainingData, folder: Path, max_steps: int | None
) -> None:
    """Train one, after those before it in the list; what it builds on may be one of them."""
    recipe = _member_recipe(name)
    recipe = recipe if max_steps is None else shortened(recipe, max_steps)
    earlier = ensemble.members[: ensemble.members.index(name)]
    given = Given()
    if isinstance(recipe, CompactRecipe):
        below = (recipe.parent, recipe.own_teacher)
        given = Given(*(_run_of(folder, other) if other in earlier else None for other in below))
    train_network(fabric, recipe, data, _run_of(folder, name), given, max_steps)


def _copy(fabric: Fabric, run: Path, folder: Path) -> None:
    if fabric.is_global_zero and not (folder / WEIGHTS_FILE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / ORIGIN_FILE, _origin_of(run) + "\n")
        for name in (RECIPE_FILE, WEIGHTS_FILE):  # the weights last: they mark a run as finished
            with atomic_path(folder / name) as partial:
                shutil.copyfile(run / name, partial)
    fabric.barrier()


def _origin_of(run: Path) -> str:
    """What a run started from; those of comparisons don't say."""
    kept = run / ORIGIN_FILE
    return kept.read_text("utf-8").strip() if kept.is_file() else "unknown"
