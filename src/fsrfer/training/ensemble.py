"""Training the members of an ensemble, one after the other, or taking those that are there."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning_fabric import Fabric

from fsrfer.errors import RecipeError
from fsrfer.files import atomic_path, write_text
from fsrfer.networks.ensemble import Ensemble
from fsrfer.recipes.ensemble import EnsembleRecipe
from fsrfer.training.faces import load_training_data
from fsrfer.training.lineage import require_same_faces
from fsrfer.training.run import (
    NOTHING,
    ORIGIN_FILE,
    RECIPE_FILE,
    WEIGHTS_FILE,
    Trained,
    begin,
    check_lineage,
    finished_recipe,
    load_network,
    making,
    run_below,
    save_weights,
    source_of,
    train_lineage,
)


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
    check_lineage(recipe, NOTHING)
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
        folder: of the run; each member, and what it builds on, has a run of its own in a sub-folder of ``networks``.
        given: finished runs that stand for the members, in their order; they are copied.
        max_steps: at most so many for each network.

    Raises:
        RecipeError, DataError, TrainingError, ModelError: as `run.train_compact`.
    """
    named = dict(zip(recipe.members, given, strict=True)) if given else {}
    origin = "; ".join(source_of(name, named) for name in recipe.members)
    begin(folder, origin)
    data = load_training_data(recipe, sources)
    if named:
        for name, run in named.items():
            _copy(fabric, run, run_below(folder, name))
    else:
        train_lineage(fabric, recipe, data, folder, max_steps=max_steps)
    network = load_ensemble(recipe, folder).eval()
    if fabric.is_global_zero:
        save_weights(network, folder / WEIGHTS_FILE)
    fabric.barrier()
    runs = [run_below(folder, name) for name in recipe.members]
    made = {
        "recipe": recipe.name,
        "origin": origin,
        "members": [making(finished_recipe(run), _origin_of(run)) for run in runs],
    }
    return Trained(network, recipe, data, made)


def load_ensemble(recipe: EnsembleRecipe, folder: Path) -> Ensemble:
    """The networks of a finished run."""
    runs = [run_below(folder, name) for name in recipe.members]
    return Ensemble([load_network(finished_recipe(run), run) for run in runs])


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
