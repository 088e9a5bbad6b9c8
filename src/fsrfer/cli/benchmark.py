"""``fsrfer benchmark --recipe paper-small|comparison --data rafdb=DIR -o OUT``: every rival, one report."""

import argparse
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from fsrfer.cli.options import UNFINISHED, add_training_arguments, path, say
from fsrfer.errors import FsrferError, FsrferWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--recipe", default="paper-small", metavar="RECIPE", help="paper, paper-small, comparison, or a file"
    )
    parser.add_argument("--data", required=True, metavar="NAME=PATH", help="trained and measured on, such as rafdb=DIR")
    parser.add_argument("--split", metavar="S", help="measured part (default: test, or valid where that is kept apart)")
    parser.add_argument("-o", "--output", type=path, required=True, metavar="DIR", help="runs, figures and report")
    parser.add_argument("--factors", default="1-8", metavar="LIST", help="such as 1-8 or 1,2,4 (default: 1-8)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="N", help="one round of training a seed")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop each stage after N steps at the latest")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change a recipe's key"
    )
    add_training_arguments(parser)
    parser.add_argument(
        "--rivals", nargs="+", metavar="NAME", help="of the recipe comparison: train these alone (default: all)"
    )
    parser.add_argument(
        "--models", nargs="+", default=[], metavar="NAME=MODEL", help="measure model files too (or bundled models)"
    )
    parser.add_argument("--export-faces", action="store_true", help="only write the degraded faces, for outside models")
    parser.add_argument(
        "--answers", nargs="+", default=[], metavar="NAME=CSV", help="an outside model's answers to the exported faces"
    )
    parser.add_argument(
        "--restored", nargs="+", default=[], metavar="NAME=DIR", help="outside super-resolution of the exported faces"
    )
    parser.epilog = (
        "The same command resumes a run that was interrupted. The report is "
        "DIR/report/report.md; it links to DIR/report/conclusions.md where you write one."
    )


def run(options: argparse.Namespace) -> int:
    """Train, measure and report; returns the exit code."""
    from rich.console import Console
    from rich.progress import track

    from fsrfer.cli.evaluate import parse_factors
    from fsrfer.comparison import benchmark
    from fsrfer.comparison.measure import Faces
    from fsrfer.comparison.outside import export_faces
    from fsrfer.data import readers
    from fsrfer.data.overlap import overlap
    from fsrfer.files import check_folder, locked
    from fsrfer.recipes.schema import load_recipe, shortened
    from fsrfer.training.compute import open_fabric
    from fsrfer.training.loop import Paused

    check_folder(options.output)
    recipe = load_recipe(options.recipe, options.changes)
    if options.max_steps is not None:
        recipe = shortened(recipe, options.max_steps)
    plan = benchmark.Benchmark(
        recipe=benchmark.require_benchmark(recipe, options.rivals),
        folder=options.output,
        factors=parse_factors(options.factors),
        seeds=options.seeds,
        chosen=options.rivals,
        answers=_named_paths(options.answers, "--answers"),
        restored=_named_paths(options.restored, "--restored"),
        models=_named_paths(options.models, "--models"),
    )
    name, place = readers.parse_source(options.data)
    sources = {name: place}
    dataset = readers.read(name, place, options.split or benchmark.measured_split(name))
    if shared := overlap(readers.read(name, place, "train"), dataset):
        message = f"{name}: {len(shared)} pairs of training and measured faces are the same picture"
        warnings.warn(message, FsrferWarning, stacklevel=1)
    console = Console(stderr=True)

    def progress(indices: "Iterable[int]", what: str) -> "Iterable[int]":
        return track(indices, what, console=console, transient=True, disable=not console.is_terminal)

    faces = Faces.of(dataset, progress)
    if options.export_faces:
        export_faces(faces, plan.factors, options.output / "exported", progress)
        Console().print(f"{options.output / 'exported'}: {len(dataset)} faces at {len(plan.factors)} factors")
        return 0
    command = "fsrfer " + shlex.join(sys.argv[1:])
    fabric = open_fabric(1, 1, options.precision, options.compiling, options.minutes)
    try:
        with locked(options.output):
            report = benchmark.run(fabric, plan, sources, faces, command, progress)
    except Paused as paused:
        say(f"fsrfer: {paused}; {options.minutes:g} minutes are over, the same command goes on")
        return UNFINISHED
    Console().print(f"{report}")
    return 0


def _named_paths(words: "Sequence[str]", option: str) -> dict[str, Path]:
    """``NAME=PATH`` arguments, by name.

    Raises:
        FsrferError: another form.
    """
    paths = {}
    for word in words:
        name, separator, place = word.partition("=")
        if not separator or not name or not place:
            raise FsrferError(f"{option} {word}: expected NAME=PATH")
        paths[name] = path(place)
    return paths
