"""``fsrfer train RECIPE --data NAME=PATH... -o RUN``."""

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from fsrfer.cli.options import UNFINISHED, add_training_arguments, path, say
from fsrfer.errors import FsrferError, FsrferWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning_fabric import Fabric

    from fsrfer.recipes.classifier import ClassifierRecipe
    from fsrfer.recipes.paper import PaperRecipe
    from fsrfer.recipes.schema import Recipe
    from fsrfer.training.classifier import Given, Trained
    from fsrfer.training.start import Start


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("recipe", metavar="RECIPE", help="name of a bundled recipe (such as default), or a TOML file")
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="NAME=PATH",
        help="data sets, such as ferplus=DIR or rafdb=DIR",
    )
    parser.add_argument("-o", "--output", type=path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="resume a run that was interrupted")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop each stage after N steps at the latest")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change a recipe's key"
    )
    parser.add_argument(
        "--init",
        metavar="MODEL",
        help="start from this bundled model, .onnx file or finished run of the same architecture, not from scratch",
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="these stand for the recipe's teachers of other recipes, in their order; else they are trained first",
    )
    parser.add_argument(
        "--members",
        nargs="+",
        type=path,
        default=[],
        metavar="RUN",
        help="take these finished networks (RUN/networks/NAME) instead of training the recipe's first ones, in their order",
    )
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes on this machine (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1)")
    add_training_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train by any recipe; returns the exit code."""
    from contextlib import ExitStack

    from fsrfer.data.readers import parse_sources, shared_faces
    from fsrfer.files import locked
    from fsrfer.recipes.classifier import ClassifierRecipe
    from fsrfer.recipes.paper import PaperRecipe
    from fsrfer.recipes.schema import load_recipe, shortened
    from fsrfer.training.classifier import check_given
    from fsrfer.training.compute import open_fabric, told_of_others
    from fsrfer.training.loop import Paused
    from fsrfer.training.run import check_run, is_begun

    recipe = load_recipe(options.recipe, options.changes)
    if options.max_steps is not None:
        recipe = shortened(recipe, options.max_steps)
    sources, given = parse_sources(options.data), _given(options, recipe)
    if not isinstance(recipe, ClassifierRecipe | PaperRecipe):
        raise FsrferError(f"{recipe.name}: a comparison; run it by: fsrfer benchmark --recipe {options.recipe}")
    if isinstance(recipe, ClassifierRecipe):
        check_given(recipe, given)
    fabric = open_fabric(options.devices, options.nodes, options.precision, options.compiling, options.minutes)
    with ExitStack() as held:
        held.enter_context(told_of_others(fabric.world_size))
        if fabric.is_global_zero:
            held.enter_context(locked(options.output))
            # Whoever trains in sittings gives one command for all of them.
            resume = options.resume or (options.minutes is not None and is_begun(options.output))
            check_run(options.output, recipe, resume)
            # Told once: every face is decoded for it.
            for told in shared_faces(sources) if len(sources) > 1 and not resume else ():
                warnings.warn(told, FsrferWarning, stacklevel=1)
        try:
            measured_on, accuracies = _trained(fabric, recipe, sources, options, given)
        except Paused as paused:
            if not fabric.is_global_zero:
                return 0  # another code would end all processes
            say(f"fsrfer: {paused}; {options.minutes:g} minutes are over, the same command goes on")
            return UNFINISHED
    if fabric.is_global_zero:
        _print(options.output, measured_on, accuracies)
    return 0


def _trained(
    fabric: "Fabric",
    recipe: "ClassifierRecipe | PaperRecipe",
    sources: "Mapping[str, Path]",
    options: argparse.Namespace,
    given: "Given",
) -> "tuple[str, Mapping[str, float]]":
    """Train, and make the model file of a classifier; what was measured, and the accuracies (in the first process)."""
    from fsrfer.recipes.paper import PaperRecipe
    from fsrfer.training.classifier import train_classifier
    from fsrfer.training.paper import train_paper

    if isinstance(recipe, PaperRecipe):
        return train_paper(fabric, recipe, sources, options.output)
    trained = train_classifier(fabric, recipe, sources, options.output, given, options.max_steps)
    figures = _release(trained, options.output / "model.onnx") if fabric.is_global_zero else {}
    return trained.data.validation, figures


def _given(options: argparse.Namespace, recipe: "Recipe") -> "Given":
    """What is there already, by what it stands for.

    Raises:
        FsrferError: the recipe has no use for it, or wants another number.
    """
    from fsrfer.recipes.classifier import ClassifierRecipe
    from fsrfer.training.classifier import Given

    teachers, networks = [], []
    if isinstance(recipe, ClassifierRecipe):
        teachers, networks = recipe.outside_teachers, list(recipe.networks)
    elif options.init:
        raise FsrferError(f"--init {options.init}: recipe {recipe.name} starts from scratch alone; leave it out")
    networks = networks[: len(options.members)]  # the others are trained
    _check_count("--teacher", options.teacher, teachers, f"recipe {recipe.name} has no teacher of another recipe")
    _check_count("--members", options.members, networks, f"recipe {recipe.name} has no networks to take instead")
    return Given(
        start=start_of(options.init) if options.init else None,
        teachers={name: start_of(word) for name, word in zip(teachers, options.teacher, strict=False)},
        members=dict(zip(networks, options.members, strict=False)),
    )


def _check_count(option: str, given: list[object], wanted: list[str], without: str) -> None:
    if given and not wanted:
        raise FsrferError(f"{option} {given[0]}: {without}; leave it out")
    if given and len(given) != len(wanted):
        raise FsrferError(f"{option}: one each is needed for {', '.join(wanted)}, not {len(given)}")


def start_of(name: str) -> "Start":
    """A finished run, or an exported model, its seal checked. A folder that was passed on may have a model alone."""
    from fsrfer.model_file import verify_seal
    from fsrfer.model_folder import RUN_FILES, is_listed
    from fsrfer.recognition.model import read_model

    folder = Path(name)
    if folder.is_dir() and (not is_listed(folder) or all((folder / file).is_file() for file in RUN_FILES)):
        return Path(name)
    data, where = read_model(name)
    verify_seal(data, where)
    return where, data


def _release(trained: "Trained", target: Path) -> dict[str, float]:
    """Calibrate, measure and export what was trained; returns its accuracy by factor."""
    from rich.progress import track

    from fsrfer.export.release import release
    from fsrfer.training.classifier import describe

    kept, split = trained.data.valid, trained.data.validation
    info = release(
        trained.network,
        describe(trained),
        kept.pixels.numpy(),
        kept.labels.numpy(),
        kept.heights.numpy(),
        split,
        target,
        lambda factors: track(factors, "measuring"),
    )
    return {factor: row["accuracy"] for factor, row in info.accuracy[split].items()}


def _print(run: Path, measured_on: str, accuracies: "Mapping[str, float]") -> None:
    from rich.console import Console

    figures = "  ".join(f"{factor} {accuracy:.1%}" for factor, accuracy in accuracies.items())
    Console().print(f"{run}: {measured_on} accuracy {figures}")
