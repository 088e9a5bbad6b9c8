"""``fsrfer train RECIPE --data NAME=PATH... -o RUN``."""

import argparse
from pathlib import Path


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
    parser.add_argument("--max-steps", type=int, metavar="N", help="short for --set loop.max_steps=N")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change a recipe's key"
    )
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes on this machine (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1)")
    parser.add_argument(
        "--precision", default="bf16-mixed", metavar="P", help="of Lightning Fabric (default bf16-mixed)"
    )


def run(options: argparse.Namespace) -> int:
    """Train, calibrate, measure, export; returns the exit code."""
    from rich.console import Console
    from rich.progress import track

    from fsrfer.data.readers import parse_sources
    from fsrfer.export.release import release
    from fsrfer.recipes.schema import load_recipe
    from fsrfer.training.compute import open_fabric
    from fsrfer.training.run import describe, open_run, train_classifier

    changes = [
        *options.changes,
        *([f"loop.max_steps={options.max_steps}"] if options.max_steps is not None else []),
    ]
    recipe = load_recipe(options.recipe, changes)
    sources = parse_sources(options.data)
    fabric = open_fabric(options.devices, options.nodes, options.precision)
    if fabric.is_global_zero:
        open_run(options.output, recipe, options.resume)
    trained = train_classifier(fabric, recipe, sources, options.output)
    if fabric.is_global_zero:
        target = options.output / "model.onnx"
        faces, labels = trained.valid.pixels.numpy(), trained.valid.labels.numpy()
        info = release(
            trained.network,
            describe(trained),
            faces,
            labels,
            trained.validation,
            target,
            lambda f: track(f, "measuring"),
        )
        Console().print(f"{target}: {trained.validation} accuracy", _by_factor(dict(info.accuracy[trained.validation])))
    return 0


def _by_factor(figures: dict[str, dict[str, float]]) -> str:
    return "  ".join(f"{factor} {100 * row['accuracy']:.1f}%" for factor, row in figures.items())
