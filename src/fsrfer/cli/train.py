"""``fsrfer train RECIPE --data NAME=PATH... -o RUN``."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("recipe", metavar="RECIPE", help="name of a bundled recipe (such as compact), or a TOML file")
    parser.add_argument(
        "--data", nargs="+", required=True, metavar="NAME=PATH", help="data sets, such as ferplus=DIR or rafdb=DIR"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    parser.add_argument("--max-steps", type=int, metavar="N", help="short for --set loop.max_steps=N")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change a recipe's key")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes on this machine (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1)")
    parser.add_argument("--precision", default="bf16-mixed", metavar="P", help="of Lightning Fabric (default bf16-mixed)")


def run(options: argparse.Namespace) -> int:
    """Train, export, measure; returns the exit code."""
    from lightning_fabric import Fabric

    from fsrfer.data.readers import parse_sources
    from fsrfer.recipes.schema import load_recipe
    from fsrfer.training.finish import finish
    from fsrfer.training.run import open_run, train_classifier

    changes = [*options.changes, *([f"loop.max_steps={options.max_steps}"] if options.max_steps is not None else [])]
    recipe = load_recipe(options.recipe, changes)
    sources = parse_sources(options.data)
    open_run(options.output, recipe, options.resume)
    fabric = Fabric(devices=options.devices, num_nodes=options.nodes, precision=options.precision)
    fabric.launch()
    trained = train_classifier(fabric, recipe, sources, options.output)
    if fabric.is_global_zero:
        finish(trained, sources, options.output)
    return 0
