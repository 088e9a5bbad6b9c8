"""Does feature super-resolution pay? Arms of one network and one budget that learn from one strong teacher in different ways.

Run ``python benchmarks/fsr_study.py --help``. The same command goes on where it was stopped, arm by arm; after ``--minutes`` it
stops by itself and exits with 75. Each time it writes ``OUT/claims.md`` and ``claims.json`` of the arms that are there.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from fsrfer.cli.evaluate import parse_factors
from fsrfer.comparison.benchmark import measured_split
from fsrfer.comparison.claims import contrasts, page, to_dict
from fsrfer.comparison.measure import Faces
from fsrfer.comparison.store import Store
from fsrfer.comparison.study import ARMS, Study, run_study
from fsrfer.data import readers
from fsrfer.errors import DataError, FsrferError
from fsrfer.files import locked, write_text
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe, shortened
from fsrfer.training.compute import open_fabric
from fsrfer.training.faces import load_training_data, trusted
from fsrfer.training.loop import Paused
from measuring import run

UNFINISHED = 75


def main() -> int:
    """Train, measure and write what is there."""
    options = arguments()
    recipe = load_recipe(options.recipe, options.set)
    if not isinstance(recipe, ClassifierRecipe):
        raise FsrferError(f"--recipe {options.recipe}: must be of a classifier, such as fast")
    recipe = recipe if options.max_steps is None else shortened(recipe, options.max_steps)
    sources = readers.parse_sources(options.data)
    measured = {}
    for name, place in sources.items():
        split = measured_split(name)
        measured[f"{name}-{split}"] = Faces.of(readers.read(name, place, split))
    study = Study(
        recipe=recipe,
        teacher=options.teacher,
        folder=options.output,
        measured=measured,
        factors=parse_factors(options.factors),
        seeds=options.seeds,
        arms=[arm for arm in ARMS if options.arms is None or arm.name in options.arms],
    )
    fabric = open_fabric(1, 1, options.precision, options.compile, options.minutes)
    code = 0
    with locked(options.output):
        try:
            run_study(fabric, study, trusted(load_training_data(recipe, sources), recipe.sources))
        except Paused as paused:
            print(f"{paused}; {options.minutes:g} minutes are over, the same command goes on", file=sys.stderr)
            code = UNFINISHED
        written = write_claims(options.output, "python " + shlex.join(sys.argv))
    print(written or "nothing to compare yet")
    return code


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Feature super-resolution against its rivals, at equal cost and budget."
    )
    parser.add_argument("--recipe", default="fast", help="its first network is trained in every arm (%(default)s)")
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PATH", help="trained and measured on")
    parser.add_argument("--teacher", type=Path, required=True, metavar="RUN", help="a finished run of one network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="runs, figures and the page")
    parser.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], metavar="NAME", help="which (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="(1 2 3)")
    parser.add_argument("--factors", default="1-8", metavar="LIST", help="of down-sampling (%(default)s)")
    parser.add_argument("--max-steps", type=int, metavar="N", help="of an arm, at most")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change a recipe's key")
    parser.add_argument("--precision", default="auto", metavar="P", help="of training")
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="auto", help="as of fsrfer train")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after the step that runs then")
    return parser.parse_args()


def write_claims(folder: Path, command: str) -> Path | None:
    """The page and its figures, of what is measured in a folder; None where that is too little."""
    stores = {path.parent.name: Store.load(path.parent) for path in sorted(folder.glob("measured/*/data.json"))}
    try:
        found = contrasts(stores)
    except DataError:
        return None
    write_text(folder / "claims.json", json.dumps({"command": command, **to_dict(stores, found)}, indent=1) + "\n")
    write_text(folder / "claims.md", page(stores, found, command))
    return folder / "claims.md"


if __name__ == "__main__":
    run(main)
