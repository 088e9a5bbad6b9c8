"""Write a trained network anew for faces of twice the size, as a finished run to start a training from.

    python tools/enlarge_network.py RUN -o LARGER
    fsrfer train RECIPE --init LARGER ...

Needs the extra ``train``. RUN holds one network with a stem of stride 1 (`tools/unpack_model.py` writes such runs). The new
one has a stem of stride 2, whose kernel has each weight of the old one four times, divided by four: it answers to a face of 96
pixels as the old one does to the means of its squares of four pixels. What the finer pixels tell, training has to find out.
Larger networks that begin as the function of a smaller one: Net2Net, arXiv:1511.05641. The estimate of the effective size is
near the old one's, and so is what a generator makes of it that is told the size.
"""

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

from fsrfer.errors import FsrferError, RecipeError, TrainingError
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.training.build import named_network
from fsrfer.training.run import WEIGHTS_FILE, begin_or_resume, is_begun, save_weights
from fsrfer.training.start import load_run

STEM = "stem.0.weight"
SIZE_WEIGHT, SIZE_BIAS = "effective_size.layers.0.weight", "effective_size.layers.0.bias"


def main() -> int:
    """Read a run, write the larger one."""
    options = arguments()
    recipe, network = load_run(options.run)
    larger = enlarged_recipe(recipe)
    if is_begun(options.output):
        raise TrainingError(f"{options.output}: holds a run already; choose another folder")
    enlarged = named_network(larger, larger.export.members[0])
    enlarged.load_state_dict(enlarged_weights(network.state_dict()))
    begin_or_resume(options.output, larger)
    save_weights(enlarged, options.output / WEIGHTS_FILE)
    print(options.output)
    return 0


def enlarged_recipe(recipe: ClassifierRecipe) -> ClassifierRecipe:
    """The recipe of a run with faces of twice the size and a stem of stride 2.

    Raises:
        RecipeError: several networks, or a stem of another stride.
    """
    name = recipe.export.members[0]
    settings = recipe.networks[name]
    if len(recipe.export.members) > 1 or settings.architecture.stem_stride != 1:
        raise RecipeError(f"recipe {recipe.name}: not of one network with stem_stride = 1; only such can be enlarged")
    architecture = settings.architecture.model_copy(update={"stem_stride": 2})
    faces = recipe.input.model_copy(update={"size": 2 * recipe.input.size})
    networks = {name: settings.model_copy(update={"architecture": architecture})}
    return recipe.model_copy(update={"input": faces, "networks": networks})


def enlarged_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights for a face of 2S x 2S pixels that do what ``weights`` do for its means over squares of four, S x S."""
    coefficients = weights[SIZE_WEIGHT]
    return {
        **weights,
        STEM: torch.kron(weights[STEM], torch.full((2, 2), 0.25)),
        # Higher frequencies tell nothing yet; the cosine transform of the others is twice as large with four pixels for one.
        SIZE_WEIGHT: torch.cat([coefficients, torch.zeros_like(coefficients)], dim=1),
        SIZE_BIAS: weights[SIZE_BIAS] - math.log10(2) * coefficients.sum(1),
    }


def arguments() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run of one network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="LARGER", help="the new run")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FsrferError as error:
        print(f"enlarge_network.py: {error}", file=sys.stderr)
        sys.exit(2)
