"""How long a training step of a classifier takes on this machine, in 32 bits and in bfloat16, as it is and compiled.

    python benchmarks/precision.py --recipe default --network fine --steps 3
    python benchmarks/precision.py --recipe fast --network fast --precision 32-true --compile off on

Faces are made up: the cost does not depend on what they show. Beside the time that passes stands the processors' own, all
threads added up, which other work on the machine lengthens less. ``fsrfer train`` takes the precision that the last line names,
unless ``--precision`` says otherwise; decision 0009 tells why.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from fsrfer.errors import FsrferError
from fsrfer.files import write_text
from fsrfer.labels import EXPRESSIONS
from fsrfer.networks.cost import count_gflop
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.training.build import named_network
from fsrfer.training.classifier import network_plan
from fsrfer.training.classifier_trainer import ClassifierTrainer
from fsrfer.training.compute import fastest_precision, open_fabric
from fsrfer.training.faces import Faces
from measuring import processor, run

PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of one training step: as they pass, and of all processors together."""

    passed: float
    processors: float


def main() -> None:
    """Measure and print; returns the exit code."""
    options = parse()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    recipe = load_recipe(options.recipe, options.changes)
    if not isinstance(recipe, ClassifierRecipe):
        raise FsrferError(f"--recipe {options.recipe}: of another kind; see benchmarks/paper_step.py")
    if options.network not in recipe.networks:
        raise FsrferError(f"--network {options.network}: {recipe.name} has {', '.join(recipe.networks)}")
    console = Console(width=110)
    measured = {}
    for precision, compiling in itertools.product(options.precision, options.compile):
        what = f"{precision}, compiled" if compiling == "on" else precision
        with console.status(what):
            measured[what] = timed_steps(recipe, options.network, precision, options.steps, compiling)
    facts = machine(recipe, options.network)
    console.print(as_table(measured))
    console.print("\n".join(f"{name}: {value}" for name, value in facts.items()), style="dim")
    if options.json:
        seconds = {precision: [asdict(step) for step in steps] for precision, steps in measured.items()}
        content = {"command": sys.argv, "machine": facts, "seconds": seconds}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="default", help="of the kind classifier (%(default)s)")
    parser.add_argument("--network", default="fine", metavar="NAME", help="one of the recipe's (%(default)s)")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="timed steps after a first (%(default)s)")
    parser.add_argument("--precision", nargs="+", default=list(PRECISIONS), choices=PRECISIONS, help="which (both)")
    parser.add_argument("--compile", nargs="+", default=["off"], choices=("off", "on"), help="which (off)")
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch (default: PyTorch's own choice)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change the recipe")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save times and facts of the machine there")
    options = parser.parse_args()
    if options.steps < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--steps and --threads are at least 1")
    return options


def timed_steps(
    recipe: ClassifierRecipe, name: str, precision: str, steps: int, compiling: Literal["on", "off"]
) -> list[Step]:
    """Training steps of the trainer that ``fsrfer train`` uses, after one that does not count and in which is compiled."""
    trainer, measured = _trainer(recipe, name, precision, compiling), []
    for step in range(steps + 1):
        start, busy = time.perf_counter(), time.process_time()
        trainer.train_step(step)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        measured.append(Step(time.perf_counter() - start, time.process_time() - busy))
    return measured[1:]


def machine(recipe: ClassifierRecipe, name: str) -> dict[str, Any]:
    """What a reader needs to compare figures."""
    network, faces = named_network(recipe, name), recipe.input
    gflop = count_gflop(network, [network], faces.channels, faces.size)
    batch = recipe.networks[name].loop.batch_size
    return {
        "network": f"{name} of {recipe.name}: {gflop:.3f} GFLOP a face, {batch} faces a step",
        "processor": f"{processor()}, {torch.backends.cpu.get_cpu_capability()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "taken by --precision auto": fastest_precision(),
    }


def as_table(measured: dict[str, list[Step]]) -> Table:
    """A row a precision: medians, and the least and the most of the time that passed."""
    table = Table("precision", title="Seconds of one training step")
    for column in ("median", "least", "most", "of processors"):
        table.add_column(column, justify="right")
    for precision, steps in measured.items():
        passed, processors = [step.passed for step in steps], [step.processors for step in steps]
        values = (statistics.median(passed), min(passed), max(passed), statistics.median(processors))
        table.add_row(precision, *(f"{value:.3g}" for value in values))
    return table


def _trainer(recipe: ClassifierRecipe, name: str, precision: str, compiling: Literal["on", "off"]) -> ClassifierTrainer:
    """Without teachers: their answers come on top of a step, and cost the same in every step."""
    faces, plan = _made_faces(recipe, recipe.networks[name].loop.batch_size), network_plan(recipe, name)
    plan = replace(plan, distillation=0.0)
    return ClassifierTrainer(open_fabric(1, 1, precision, compiling), plan, named_network(recipe, name), faces, faces)


def _made_faces(recipe: ClassifierRecipe, count: int) -> Faces:
    """A batch of noise, with labels in turn."""
    size = recipe.input.size
    shape = (count, size, size) if recipe.input.colour == "grey" else (count, size, size, 3)
    labels = torch.arange(count) % len(EXPRESSIONS)
    pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Faces(pixels, F.one_hot(labels, len(EXPRESSIONS)).float(), labels, torch.full_like(labels, size), {})


if __name__ == "__main__":
    run(main)
