"""Write each network of an exported model as a finished run of its own, to be measured, started from, or taken as a member.

    python tools/unpack_model.py default --recipe default --data ferplus=DIR rafdb=DIR -o networks
    fsrfer evaluate networks/small --data ferplus=DIR
    fsrfer train RECIPE --members networks/narrow ...

Needs the extra ``train``. Export has folded the norms into the convolutions; views of training faces give each norm its
statistics again, so the data should be those that the model was trained on. A run that comes of this is not calibrated: its
accuracy is to be read, not how sure it is.
"""

import argparse
import sys
from pathlib import Path

from lightning_fabric import Fabric

from fsrfer.cli.train import start_of
from fsrfer.data import readers
from fsrfer.errors import FsrferError, RecipeError, TrainingError
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.training.classifier import typical_views
from fsrfer.training.faces import load_training_data
from fsrfer.training.run import WEIGHTS_FILE, begin_or_resume, is_begun, save_weights
from fsrfer.training.start import load_members


def main() -> int:
    """Read the model, write a folder for each of its networks."""
    options = arguments()
    recipe = load_recipe(options.recipe, options.changes)
    if not isinstance(recipe, ClassifierRecipe):
        raise RecipeError(f"recipe {options.recipe}: not of a classifier")
    data = load_training_data(recipe, readers.parse_sources(options.data))
    typical = typical_views(Fabric(accelerator="cpu", devices=1), recipe, data)
    networks = load_members(recipe, start_of(options.model), typical)
    runs = {name: options.output / name for name in recipe.export.members}
    if begun := [run for run in runs.values() if is_begun(run)]:
        raise TrainingError(f"{begun[0]}: holds a run already; choose another folder")
    for (name, run), network in zip(runs.items(), networks, strict=True):
        begin_or_resume(run, recipe.alone(name))
        save_weights(network, run / WEIGHTS_FILE)
        print(run)
    return 0


def arguments() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="a bundled model's name or an .onnx file")
    parser.add_argument("--recipe", required=True, metavar="RECIPE", help="that describes its networks")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change its keys")
    parser.add_argument("--data", required=True, nargs="+", metavar="NAME=PATH", help="data sets to train on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FsrferError as error:
        print(f"unpack_model.py: {error}", file=sys.stderr)
        sys.exit(2)
