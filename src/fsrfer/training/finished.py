"""Finished runs of any recipe, as predictors."""

from pathlib import Path

from fsrfer.recipes.paper import PaperRecipe
from fsrfer.training import paper
from fsrfer.training.compute import freeze
from fsrfer.training.predictors import TorchPredictor
from fsrfer.training.run import finished_recipe
from fsrfer.training.start import load_run


def load_predictor(folder: Path) -> TorchPredictor:
    """What was trained in a folder, ready to classify faces.

    Raises:
        TrainingError: the folder holds no finished run.
    """
    if isinstance(finished_recipe(folder), PaperRecipe):
        return paper.predictor(*paper.load_system(folder))
    recipe, network = load_run(folder)
    return TorchPredictor(freeze(network), recipe.input.size, recipe.input.colour)
