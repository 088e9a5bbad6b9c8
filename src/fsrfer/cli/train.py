"""``fsrfer train RECIPE --data NAME=PATH... -o RUN``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fsrfer.errors import FsrferError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning_fabric import Fabric

    from fsrfer.recipes.fsr import FsrRecipe
    from fsrfer.recipes.schema import Recipe
    from fsrfer.training.run import Given, Init, Trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("recipe", metavar="RECIPE", help="name of a bundled recipe (such as compact), or a TOML file")
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="NAME=PATH",
        help="data sets, such as ferplus=DIR or rafdb=DIR",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    parser.add_argument("--max-steps", type=int, metavar="N", help="stop each stage after N steps at the latest")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change a recipe's key"
    )
    parser.add_argument(
        "--init",
        metavar="MODEL",
        help="start from this bundled model, .onnx file or finished run instead of training the recipe's parent",
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="follow what these answer instead of training the recipe's teachers, in their order",
    )
    parser.add_argument(
        "--members",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help="take these finished runs instead of training an ensemble's members, in their order",
    )
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes on this machine (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1)")
    parser.add_argument(
        "--precision",
        default="auto",
        metavar="P",
        help="of Lightning Fabric (default: bf16-mixed where the machine has it)",
    )


def run(options: argparse.Namespace) -> int:
    """Train by any recipe; returns the exit code."""
    from fsrfer.data.readers import parse_sources
    from fsrfer.recipes.ensemble import EnsembleRecipe
    from fsrfer.recipes.fsr import FsrRecipe
    from fsrfer.recipes.schema import load_recipe, shortened
    from fsrfer.training.compute import open_fabric
    from fsrfer.training.ensemble import check_members, train_ensemble
    from fsrfer.training.run import check_lineage, open_run, train_compact

    recipe = load_recipe(options.recipe, options.changes)
    if options.max_steps is not None:
        recipe = shortened(recipe, options.max_steps)
    sources = parse_sources(options.data)
    given = {**_start(options.init, recipe), **_teachers(options.teacher, recipe)}
    if isinstance(recipe, EnsembleRecipe):
        check_members(recipe, options.members)
    elif options.members:
        raise FsrferError(f"--members: recipe {recipe.name} describes one network; leave it out")
    elif not isinstance(recipe, FsrRecipe):
        check_lineage(recipe, given)
    fabric = open_fabric(options.devices, options.nodes, options.precision)
    if fabric.is_global_zero:
        open_run(options.output, recipe, options.resume)
    if isinstance(recipe, FsrRecipe):
        return _feature_super_resolution(fabric, recipe, sources, options.output)
    if isinstance(recipe, EnsembleRecipe):
        trained = train_ensemble(fabric, recipe, sources, options.output, options.members, options.max_steps)
    else:
        trained = train_compact(fabric, recipe, sources, options.output, given, options.max_steps)
    if fabric.is_global_zero:
        _release(trained, options.output / "model.onnx")
    return 0


def _start(name: str | None, recipe: "Recipe") -> "Given":
    """What stands for the parent of a recipe."""
    if name is None:
        return {}
    parent = getattr(recipe, "parent", "")
    if not parent:
        raise FsrferError(f"--init {name}: recipe {recipe.name} has no parent that a model could stand for")
    return {parent: _finished(name)}


def _teachers(names: list[str], recipe: "Recipe") -> "Given":
    """What stands for the teachers of a recipe, but its parent."""
    if not names:
        return {}
    teachers = getattr(recipe, "own_teachers", [])
    if not teachers:
        raise FsrferError(
            f"--teacher {names[0]}: recipe {recipe.name} has no teacher of its own that a model could stand for"
        )
    if len(names) != len(teachers):
        raise FsrferError(
            f"--teacher: recipe {recipe.name} needs one model for each of {', '.join(teachers)}, not {len(names)}"
        )
    return {teacher: _finished(name) for teacher, name in zip(teachers, names, strict=True)}


def _finished(name: str) -> "Init":
    """A finished run, or an exported model, its seal checked."""
    from fsrfer.model_file import verify_seal
    from fsrfer.recognition.model import read_model
    from fsrfer.training.run import finished_recipe

    if Path(name).is_dir():
        finished_recipe(Path(name))
        return Path(name)
    data, where = read_model(name)
    verify_seal(data, where)
    return where, data


def _release(trained: "Trained", target: Path) -> None:
    """Calibrate, measure and export what was trained."""
    from rich.progress import track

    from fsrfer.export.release import release
    from fsrfer.training.run import describe

    kept, valid = trained.data.valid, trained.data.validation
    info = release(
        trained.network,
        describe(trained),
        kept.pixels.numpy(),
        kept.labels.numpy(),
        kept.heights.numpy(),
        valid,
        target,
        lambda factors: track(factors, "measuring"),
    )
    _say(target, valid, {factor: row["accuracy"] for factor, row in info.accuracy[valid].items()})


def _feature_super_resolution(
    fabric: "Fabric", recipe: "FsrRecipe", sources: "Mapping[str, Path]", folder: Path
) -> int:
    """Train the paper's system and measure it."""
    from fsrfer.training.faces import load_training_data
    from fsrfer.training.paper import measure, train_system
    from fsrfer.training.plots import plot_stages
    from fsrfer.training.run import WEIGHTS_FILE, check_batches, save_weights

    check_batches(fabric, recipe.loops())
    data = load_training_data(recipe, sources)
    system = train_system(fabric, recipe, data, folder)
    if fabric.is_global_zero:
        save_weights(system.modules(), folder / WEIGHTS_FILE)
        plot_stages(folder)
        _say(folder / WEIGHTS_FILE, data.validation, measure(recipe, system, data.valid))
    return 0


def _say(target: Path, validation: str, accuracies: "Mapping[str, float]") -> None:
    from rich.console import Console

    figures = "  ".join(f"{factor} {accuracy:.1%}" for factor, accuracy in accuracies.items())
    Console().print(f"{target}: {validation} accuracy {figures}")
