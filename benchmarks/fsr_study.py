"""Does feature super-resolution pay? Arms of one network and one budget that learn from one strong teacher in different ways.

Run ``python benchmarks/fsr_study.py --help``. The same command goes on where it was stopped, arm by arm; after ``--minutes`` it
stops by itself and exits with 75. It can run several times at once, each taking the next free arm. Each time it writes
``OUT/claims.md`` and ``claims.json`` of the arms that are there.
"""

import argparse
import json
import random
import shlex
import sys
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from fsrfer.cli.evaluate import parse_factors
from fsrfer.cli.options import positive
from fsrfer.cli.train import start_of
from fsrfer.comparison.benchmark import measured_split
from fsrfer.comparison.claims import contrasts, page, to_dict
from fsrfer.comparison.measure import Faces
from fsrfer.comparison.store import Store
from fsrfer.comparison.study import ARMS, Coefficients, Study, prepared_lessons, run_study, untaught
from fsrfer.data import readers
from fsrfer.errors import DataError, FsrferError, InputError
from fsrfer.files import locked_file, write_text
from fsrfer.networks.residual import ResidualNet
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe, shortened
from fsrfer.recipes.sections import InputSettings
from fsrfer.training.compute import open_fabric
from fsrfer.training.faces import TrainingData, as_maps, load_training_data, trusted
from fsrfer.training.loop import Paused
from fsrfer.training.run import WEIGHTS_FILE
from fsrfer.training.start import load_members, load_run
from measuring import run

UNFINISHED = 75
FACES_FOR_NORMS = 1024
"""Any faces will do, as the teacher is not trained further."""


def main() -> int:
    """Train, measure and write what is there."""
    options = arguments()
    recipe = load_recipe(options.recipe, options.set)
    if not isinstance(recipe, ClassifierRecipe):
        raise FsrferError(f"--recipe {options.recipe}: must be of a classifier, such as fast")
    recipe = untaught(recipe if options.max_steps is None else shortened(recipe, options.max_steps))
    sources = readers.parse_sources(options.data)
    measured = {}
    for name, place in sources.items():
        split = measured_split(name)
        measured[f"{name}-{split}"] = Faces.of(readers.read(name, place, split))
    data = trusted(load_training_data(recipe, sources), recipe.sources)
    teacher, sees, file = strong_teacher(options.teacher, data)
    shown = None
    if sees != recipe.input:
        shown = load_training_data(recipe.model_copy(update={"input": sees}), sources).train
    study = Study(
        recipe=recipe,
        teacher=teacher,
        taught_by=sha256(file).hexdigest(),
        lessons=options.lessons,
        folder=options.output,
        measured=measured,
        factors=parse_factors(options.factors),
        seeds=options.seeds,
        coefficients=Coefficients(options.answers, options.feature, options.adversarial, options.pixels),
        only=options.arms,
    )
    fabric, code = open_fabric(1, 1, options.precision, options.compile, options.minutes), 0
    lessons = prepared_lessons(fabric, study, data, shown)
    try:
        missing = lessons.missing()
        random.shuffle(missing)  # other processes may be at it too
        lessons.make_all(missing)
        for left in run_study(fabric, study, lessons, data.valid):
            print(left, file=sys.stderr)
    except Paused as paused:
        print(f"{paused}; {options.minutes:g} minutes are over, the same command goes on", file=sys.stderr)
        code = UNFINISHED
    with ExitStack() as held:
        try:
            held.enter_context(locked_file(options.output / "claims.md"))
        except InputError as reason:
            print(f"{reason}; the same command writes the page of all that is there", file=sys.stderr)
            return code
        print(write_claims(options.output, "python " + shlex.join(sys.argv)) or "nothing to compare yet")
    return code


def strong_teacher(word: str, data: TrainingData) -> tuple[ResidualNet, InputSettings, bytes]:
    """A run's network, or the first of a model of the recipe `default`; the faces it takes; the file that it is from."""
    start = start_of(word)
    if isinstance(start, Path):
        described, network = load_run(start)
        file = (start / WEIGHTS_FILE).read_bytes()
    else:
        named = load_recipe("default")
        assert isinstance(named, ClassifierRecipe)
        described, file = named, start[1]
        network = load_members(described, start, as_maps(data.train.pixels[:FACES_FOR_NORMS]).float())[0]
    if not isinstance(network, ResidualNet):
        raise FsrferError(f"--teacher {word}: several networks; name the folder of one, in {word}/networks")
    return network, described.input, file


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Feature super-resolution against its rivals, at equal cost and budget."
    )
    parser.add_argument("--recipe", default="fast", help="its first network is trained in every arm (%(default)s)")
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PATH", help="trained and measured on")
    parser.add_argument("--teacher", default="default", help="run of one network, or model (%(default)s: its first)")
    parser.add_argument(
        "--lessons", type=positive, default=1000, metavar="N", help="batches to learn from (%(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="runs, figures and the page")
    parser.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], metavar="NAME", help="which (all)")
    usual = Coefficients()
    parser.add_argument("--answers", type=float, default=usual.answers, help="coefficient of answers (%(default)s)")
    parser.add_argument("--feature", type=float, default=usual.feature, help="of features (%(default)s)")
    parser.add_argument("--adversarial", type=float, default=usual.adversarial, help="of the critic (%(default)s)")
    parser.add_argument("--pixels", type=float, default=usual.pixels, help="of restored pixels (%(default)s)")
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
