"""Finished runs of any recipe, as predictors."""

from pathlib import Path

from fsrfer.baselines.predictors import TorchPredictor
from fsrfer.errors import TrainingError
from fsrfer.recipes.ensemble import EnsembleRecipe
from fsrfer.recipes.fsr import FsrRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.training import paper as fsr_run
from fsrfer.training.compute import freeze
from fsrfer.training.ensemble import load_ensemble
from fsrfer.training.run import RECIPE_FILE, WEIGHTS_FILE, load_network


def load_predictor(folder: Path) -> TorchPredictor:
    """What was trained in a folder, ready to classify faces.

    Raises:
        TrainingError: the folder holds no finished run.
    """
    if not (folder / RECIPE_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise TrainingError(f"{folder}: no finished run there; train it first, or add --resume")
    recipe = load_recipe(str(folder / RECIPE_FILE))
    if isinstance(recipe, FsrRecipe):
        return fsr_run.predictor(*fsr_run.load_system(folder))
    network = load_ensemble(recipe, folder) if isinstance(recipe, EnsembleRecipe) else load_network(recipe, folder)
    return TorchPredictor(freeze(network), recipe.input.size, recipe.input.colour)
