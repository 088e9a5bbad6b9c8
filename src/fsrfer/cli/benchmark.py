"""``fsrfer benchmark --recipe paper-small|comparison --data rafdb=DIR -o OUT``: every rival, one report."""

import argparse
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from fsrfer.errors import FsrferError, FsrferWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fsrfer.comparison.measure import Method
    from fsrfer.comparison.paper import Rivals
    from fsrfer.recipes.comparison import ComparisonRecipe
    from fsrfer.recipes.paper import PaperRecipe
    from fsrfer.training.faces import TrainingData

FEATURE_MAP_FACTOR, FEATURE_MAP_FACES = 6, 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--recipe", default="paper-small", metavar="RECIPE", help="paper, paper-small, comparison, or a file"
    )
    parser.add_argument("--data", required=True, metavar="NAME=PATH", help="trained and measured on, such as rafdb=DIR")
    parser.add_argument("--split", metavar="S", help="measured part (default: test, or valid where that is kept apart)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="runs, figures and report")
    parser.add_argument("--factors", default="1-8", metavar="LIST", help="such as 1-8 or 1,2,4 (default: 1-8)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="N", help="one round of training a seed")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop each stage after N steps at the latest")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change a recipe's key"
    )
    parser.add_argument(
        "--precision", default="auto", metavar="P", help="of training (default: bf16-mixed where it can)"
    )
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
        "A run that was interrupted goes on where it stopped: give the same command again. The report is "
        "DIR/report/report.md; it links to DIR/report/conclusions.md where you write one."
    )


def run(options: argparse.Namespace) -> int:
    """Train, measure and report; returns the exit code."""
    from rich.console import Console
    from rich.progress import track

    from fsrfer.cli.evaluate import parse_factors
    from fsrfer.comparison.measure import Faces, measure
    from fsrfer.comparison.outside import export_faces
    from fsrfer.comparison.report import write_report
    from fsrfer.data import readers
    from fsrfer.data.overlap import overlap
    from fsrfer.recipes.comparison import ComparisonRecipe
    from fsrfer.recipes.paper import PaperRecipe
    from fsrfer.recipes.schema import load_recipe, shortened

    recipe = load_recipe(options.recipe, options.changes)
    if options.max_steps is not None:
        recipe = shortened(recipe, options.max_steps)
    if not isinstance(recipe, ComparisonRecipe | PaperRecipe):
        raise FsrferError(
            f"--recipe {options.recipe}: not a recipe to compare by; use paper-small, paper or comparison"
        )
    _require_known_rivals(options.rivals, recipe)
    factors = parse_factors(options.factors)
    sources = readers.parse_sources([options.data])
    ((name, path),) = sources.items()
    dataset = readers.read(name, path, options.split or _measured_split(name))
    console = Console(stderr=True)
    if shared := overlap(readers.read(name, path, "train"), dataset):
        message = f"{name}: {len(shared)} pairs of training and measured faces are the same picture"
        warnings.warn(message, FsrferWarning, stacklevel=1)

    def progress(indices: "Iterable[int]", what: str) -> "Iterable[int]":
        return track(indices, what, console=console, transient=True)

    faces = Faces.of(dataset, progress)
    if options.export_faces:
        export_faces(faces, factors, options.output / "exported", progress)
        Console().print(f"{options.output / 'exported'}: {len(dataset)} faces at {len(factors)} factors")
        return 0
    pictures: list[tuple[str, str]] = []
    for number, seed in enumerate(options.seeds):
        seeded = recipe.model_copy(update={"seed": seed})
        if isinstance(seeded, PaperRecipe):
            rivals, data = _train_paper(options, seeded, sources)
            methods: Sequence[Method] = rivals.methods
            if number == 0:
                pictures = _feature_map(seeded, rivals, data, options.output / "report")
        else:
            methods = _train_comparison(options, seeded, sources, first=number == 0)
        if number == 0:
            methods = [*methods, *_outside(options, methods[0]), *_model_files(options)]
        measure(methods, faces, factors, seed, options.output, progress)
    command = "fsrfer " + shlex.join(sys.argv[1:])
    title = f"{recipe.name} on {name} {dataset.split}"
    reference = _reference(recipe, options.output)
    write_report(options.output, options.output / "report", reference, command, title, pictures=pictures)
    Console().print(f"{options.output / 'report' / 'report.md'}")
    return 0


def _measured_split(name: str) -> str:
    """FER+ keeps its test part for the last word; elsewhere the test part is what papers report."""
    from fsrfer.data import readers

    known = readers.SPLITS.get(name, ("test",))
    return next(split for split in ("valid", "val", "test") if split in known) if name == "ferplus" else known[-1]


def _train_paper(
    options: argparse.Namespace, recipe: "PaperRecipe", sources: dict[str, Path]
) -> tuple["Rivals", "TrainingData"]:
    from fsrfer.comparison.paper import train_rivals
    from fsrfer.training.compute import open_fabric
    from fsrfer.training.faces import load_training_data
    from fsrfer.training.run import begin_or_resume

    folder = options.output / "runs" / f"seed-{recipe.seed}"
    begin_or_resume(folder, recipe)
    data = load_training_data(recipe, sources)
    return train_rivals(open_fabric(1, 1, options.precision), recipe, data, folder), data


def _train_comparison(
    options: argparse.Namespace, recipe: "ComparisonRecipe", sources: dict[str, Path], *, first: bool
) -> "Sequence[Method]":
    """All rivals and the plain network with the first seed; with the others the finalists alone, or those asked for."""
    from fsrfer.comparison.rivals import FINALISTS, RIVALS, train_rivals
    from fsrfer.training.compute import open_fabric
    from fsrfer.training.faces import load_training_data
    from fsrfer.training.run import begin_or_resume

    chosen = options.rivals or ([rival.name for rival in RIVALS] if first else FINALISTS)
    folder = options.output / "runs" / recipe.name / f"seed-{recipe.seed}"
    begin_or_resume(folder, recipe)
    data = load_training_data(recipe, sources)
    return train_rivals(open_fabric(1, 1, options.precision), recipe, data, folder, chosen, plain=first)


def _require_known_rivals(names: "Sequence[str] | None", recipe: "ComparisonRecipe | PaperRecipe") -> None:
    from fsrfer.recipes.paper import PaperRecipe

    if names is None:
        return
    if isinstance(recipe, PaperRecipe):
        raise FsrferError(f"--rivals: of the recipe comparison; {recipe.name} trains all of its own")
    from fsrfer.comparison.rivals import RIVALS

    known = [rival.name for rival in RIVALS]
    if unknown := sorted(set(names) - set(known)):
        raise FsrferError(f"--rivals {' '.join(unknown)}: known are {', '.join(known)}")


def _reference(recipe: "ComparisonRecipe | PaperRecipe", folder: Path) -> str:
    """What the other methods are compared with: the full method, or the plain one where the full one was left out."""
    from fsrfer.comparison.store import Store
    from fsrfer.recipes.paper import PaperRecipe

    if isinstance(recipe, PaperRecipe):
        return "fsr"
    full = f"{recipe.name}-joint"
    return full if full in Store.load(folder).runs() else f"{recipe.name}-bicubic"


def _outside(options: argparse.Namespace, base: "Method") -> list["Method"]:
    """Outside models, by the tables or pictures they made of the exported faces."""
    from dataclasses import replace
    from hashlib import sha256

    from fsrfer.comparison.measure import Method
    from fsrfer.comparison.outside import read_answers, with_pictures

    exported = options.output / "exported"
    methods = []
    for name, path in (_named_path(word, "--answers") for word in options.answers):
        predict = read_answers(path, exported)
        identity = sha256(path.read_bytes()).hexdigest()
        methods.append(Method(name, f"{name} (outside)", predict, identity=identity, timed=False))
    for name, path in (_named_path(word, "--restored") for word in options.restored):
        predict = with_pictures(base.predict, path, exported)
        title, identity = (
            f"{name} (outside pictures) + {base.title.removeprefix('bicubic + ')}",
            f"{path}/{base.identity}",
        )
        methods.append(
            replace(base, name=name, title=title, predict=predict, gflop=None, identity=identity, timed=False)
        )
    return methods


def _model_files(options: argparse.Namespace) -> list["Method"]:
    """Model files and bundled models, as users run them."""
    from fsrfer.comparison.measure import Method
    from fsrfer.photo.recognizer import Recognizer

    methods = []
    for name, path in (_named_path(word, "--models") for word in options.models):
        recognizer = Recognizer(str(path))
        info = recognizer.info
        gflop = info.gflop * (2 if info.flip else 1)
        methods.append(
            Method(name, f"{name} (model file)", recognizer.probabilities, gflop=gflop, identity=recognizer.sha256)
        )
    return methods


def _named_path(word: str, option: str) -> tuple[str, Path]:
    name, separator, path = word.partition("=")
    if not separator or not name or not path:
        raise FsrferError(f"{option} {word}: expected NAME=PATH")
    return name, Path(path)


def _feature_map(recipe: "PaperRecipe", rivals: "Rivals", data: "TrainingData", folder: Path) -> list[tuple[str, str]]:
    from fsrfer.comparison.paper import feature_triples
    from fsrfer.comparison.plots import draw_features, save

    drawn = feature_triples(recipe, rivals.system, data, FEATURE_MAP_FACTOR, FEATURE_MAP_FACES)
    feat_hr, feat_lr, feat_sr, labels = (part.numpy() for part in drawn)
    title = f"features of validation faces at x{FEATURE_MAP_FACTOR}"
    save(draw_features(feat_hr, feat_lr, feat_sr, labels, title), folder / "features.png")
    return [(f"Features before and after G, of validation faces at x{FEATURE_MAP_FACTOR}", "features.png")]
