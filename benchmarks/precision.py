"""How long a training step of the compact network takes on this machine, in 32 bits and in bfloat16.

    python benchmarks/precision.py --recipe mixed --steps 3

Faces are made up: the cost does not depend on what they show. Beside the time that passes stands the processors' own, all
threads added up, which other work on the machine lengthens less. ``fsrfer train`` takes the precision that the last line names,
unless ``--precision`` says otherwise; decision 0009 tells why.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from fsrfer.errors import FsrferError
from fsrfer.files import write_text
from fsrfer.labels import EXPRESSIONS
from fsrfer.networks.compact import CompactNet
from fsrfer.networks.cost import count_gflop
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.training.build import compact_net
from fsrfer.training.classifier import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compact import CompactTrainer
from fsrfer.training.compute import fastest_precision, open_fabric
from fsrfer.training.faces import Faces
from fsrfer.training.lineage import network_recipe
from fsrfer.training.loop import Trainee
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
    if not isinstance(recipe, CompactRecipe | ClassifierRecipe):
        raise FsrferError(f"--recipe {options.recipe}: of another kind; see benchmarks/paper_step.py")
    console = Console(width=110)
    measured = {}
    for precision in PRECISIONS:
        with console.status(precision):
            measured[precision] = timed_steps(recipe, precision, options.steps)
    facts = machine(recipe)
    console.print(as_table(measured))
    console.print("\n".join(f"{name}: {value}" for name, value in facts.items()), style="dim")
    if options.json:
        seconds = {precision: [asdict(step) for step in steps] for precision, steps in measured.items()}
        content = {"command": sys.argv, "machine": facts, "seconds": seconds}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="mixed", help="of the kind classifier or compact (%(default)s)")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="timed steps after a first (%(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch (default: PyTorch's own choice)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes", help="change the recipe")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save times and facts of the machine there")
    options = parser.parse_args()
    if options.steps < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--steps and --threads are at least 1")
    return options


def timed_steps(recipe: ClassifierRecipe | CompactRecipe, precision: str, steps: int) -> list[Step]:
    """Training steps of the trainer that ``fsrfer train`` uses, after one that does not count."""
    trainee, measured = _trainee(recipe, precision), []
    for step in range(steps + 1):
        start, busy = time.perf_counter(), time.process_time()
        trainee.train_step(step)
        measured.append(Step(time.perf_counter() - start, time.process_time() - busy))
    return measured[1:]


def machine(recipe: ClassifierRecipe | CompactRecipe) -> dict[str, Any]:
    """What a reader needs to compare figures."""
    network, settings = compact_net(recipe), recipe.input
    gflop = count_gflop(network, [network], settings.channels, settings.size)
    views = 1 + recipe.views.shrunk if isinstance(recipe, CompactRecipe) else 1
    return {
        "recipe": f"{recipe.name}: {gflop:.3f} GFLOP a picture, {recipe.loop.batch_size * views} pictures a step",
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


def _trainee(recipe: ClassifierRecipe | CompactRecipe, precision: str) -> Trainee:
    fabric, faces, network = open_fabric(1, 1, precision), _made_faces(recipe), compact_net(recipe)
    if isinstance(recipe, ClassifierRecipe):
        plan = ClassifierPlan(
            recipe.seed, recipe.input.size, recipe.degradation, recipe.augmentation, recipe.optimizer, recipe.loop
        )
        return ClassifierTrainer(fabric, plan, network, faces, faces)
    return CompactTrainer(fabric, recipe, network, _teachers(recipe), faces, faces)


def _teachers(recipe: CompactRecipe) -> list[CompactNet]:
    if not recipe.follows:
        return []
    return [compact_net(network_recipe(name)) for name in recipe.teachers]


def _made_faces(recipe: ClassifierRecipe | CompactRecipe) -> Faces:
    """A batch of noise, with labels in turn."""
    size, count = recipe.input.size, recipe.loop.batch_size
    shape = (count, size, size) if recipe.input.colour == "grey" else (count, size, size, 3)
    labels = torch.arange(count) % len(EXPRESSIONS)
    pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Faces(pixels, F.one_hot(labels, len(EXPRESSIONS)).float(), labels, torch.full_like(labels, size), {})


if __name__ == "__main__":
    run(main)
