"""How fast networks of a recipe are trained on this machine: steps and views a second, by precision, as they are and compiled.

    python benchmarks/training_speed.py --recipe default --networks narrow small --precision 32-true bf16-mixed
    python benchmarks/training_speed.py --recipe taught --compile off on --json training-speed.json

The trainer is that of ``fsrfer train``. Faces are made up: the cost does not depend on what they show. Teachers, of another
recipe too, are asked where a recipe has them answer in every step, and are untrained. Beside the time that passes stands the
processors' own, all threads added up, which other work on the machine lengthens less. On a GPU it is told where in a step the
processor waited for it.
"""

import argparse
import itertools
import json
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional as F

from fsrfer.errors import FsrferError
from fsrfer.files import write_text
from fsrfer.labels import EXPRESSIONS
from fsrfer.networks.cost import count_gflop
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.training.build import joined, named_network
from fsrfer.training.classifier import network_plan, outside_recipe
from fsrfer.training.classifier_trainer import ClassifierTrainer
from fsrfer.training.compute import Machine, fastest_precision, freeze, open_fabric, place
from fsrfer.training.faces import Faces
from measuring import processor, run


@dataclass(frozen=True, slots=True)
class Speed:
    """The training of one network.

    Attributes:
        network: its name in the recipe.
        precision: of Lightning Fabric.
        compiled: whether by `torch.compile`.
        gflop: of one view, forward.
        batch: faces a step.
        first_seconds: of the first steps, compiling included.
        steps_per_second: of those after them.
        processor_seconds: a step, of all threads.
        making_views: share of the time, 0..1.
        peak_mib: the most memory of a GPU that PyTorch held; 0 elsewhere.
        waits: places where the processor waited for a GPU.
    """

    network: str
    precision: str
    compiled: bool
    gflop: float
    batch: int
    first_seconds: float
    steps_per_second: float
    processor_seconds: float
    making_views: float
    peak_mib: float
    waits: list[str]


def main() -> None:
    """Measure, print, and save what was asked for."""
    options = arguments()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    recipe = load_recipe(options.recipe, options.set)
    if not isinstance(recipe, ClassifierRecipe):
        raise FsrferError(f"--recipe {options.recipe}: of another kind; see benchmarks/paper_step.py")
    names = options.networks or list(recipe.networks)
    if unknown := [name for name in names if name not in recipe.networks]:
        raise FsrferError(f"--networks {unknown[0]}: {recipe.name} has {', '.join(recipe.networks)}")
    console, speeds = Console(width=120), []
    for name, precision, compiling in itertools.product(names, options.precision, options.compile):
        with console.status(f"{name}, {precision}, compile {compiling}"):
            fabric = open_fabric(1, 1, precision, compiling)
            speeds.append(measured(fabric, recipe, name, options.first, options.steps))
    facts = machine(recipe)
    console.print(as_table(speeds))
    for where in sorted({wait for speed in speeds for wait in speed.waits}):
        console.print(f"waits for the GPU at {where}", style="dim")
    console.print("\n".join(f"{name}: {value}" for name, value in facts.items()), style="dim")
    if options.json:
        content = {"command": sys.argv, "machine": facts, "speeds": [asdict(speed) for speed in speeds]}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="default", help="of the kind classifier (%(default)s)")
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="of the recipe (all)")
    parser.add_argument("--first", type=int, default=3, metavar="N", help="steps that do not count (%(default)s)")
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="steps that are timed (%(default)s)")
    parser.add_argument("--precision", nargs="+", default=["auto"], metavar="P", help="which (auto)")
    parser.add_argument("--compile", nargs="+", default=["auto"], choices=("auto", "off", "on"), help="which (auto)")
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch (default: PyTorch's own choice)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save figures and facts of the machine there")
    options = parser.parse_args()
    if options.first < 1 or options.steps < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--first, --steps and --threads are at least 1")
    return options


def measured(fabric: Machine, recipe: ClassifierRecipe, name: str, first: int, steps: int) -> Speed:
    """Train one network for a few steps."""
    cuda = fabric.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    trainer = _trainer(fabric, recipe, name)
    start = time.perf_counter()
    waits = _first_steps(trainer, first)
    trainer.waits.taken()
    begun, busy = time.perf_counter(), time.process_time()
    for step in range(first, first + steps):
        losses = trainer.train_step(step)
    torch.stack(list(losses.values())).tolist()  # read once, so that all is done
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    return Speed(
        network=name,
        precision=fabric.strategy.precision.precision,
        compiled=fabric.backend is not None,
        gflop=_gflop(recipe, name),
        batch=recipe.networks[name].loop.batch_size,
        first_seconds=begun - start,
        steps_per_second=steps / seconds,
        processor_seconds=busy / steps,
        making_views=trainer.waits.taken() / seconds,
        peak_mib=torch.cuda.max_memory_allocated() / 2**20 if cuda else 0.0,
        waits=waits,
    )


def machine(recipe: ClassifierRecipe) -> dict[str, Any]:
    """What a reader needs to compare figures."""
    return {
        "recipe": recipe.name,
        "processor": f"{processor()}, {torch.backends.cpu.get_cpu_capability()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "taken by --precision auto": fastest_precision(),
    }


def as_table(speeds: list[Speed]) -> Table:
    """A row a network, precision and way of compiling; TFLOP/s take backward for twice forward, and leave teachers out."""
    table = Table("network", "precision", title="Training")
    for column in ("GFLOP a view", "faces a step", "first steps, s", "steps/s", "views/s", "TFLOP/s"):
        table.add_column(column, justify="right")
    table.add_column("processor s a step", justify="right")
    table.add_column("making views", justify="right")
    for one in speeds:
        views = one.steps_per_second * one.batch
        table.add_row(
            one.network,
            f"{one.precision}, compiled" if one.compiled else one.precision,
            f"{one.gflop:.3f}",
            f"{one.batch}",
            f"{one.first_seconds:.1f}",
            f"{one.steps_per_second:.3g}",
            f"{views:,.0f}",
            f"{3 * one.gflop * views / 1000:.2g}",
            f"{one.processor_seconds:.3g}",
            f"{one.making_views:.0%}",
        )
    return table


def _trainer(fabric: Machine, recipe: ClassifierRecipe, name: str) -> ClassifierTrainer:
    settings, faces = recipe.networks[name], _made_faces(recipe)
    asked = settings.teachers if settings.distillation and not settings.lessons else []
    teachers = [place(fabric, freeze(_untrained(recipe, one))) for one in asked]
    return ClassifierTrainer(fabric, network_plan(recipe, name), named_network(recipe, name), faces, faces, teachers)


def _untrained(recipe: ClassifierRecipe, name: str) -> nn.Module:
    """A teacher: a network of the recipe, or those that answer in the model of another."""
    if name in recipe.networks:
        return named_network(recipe, name)
    other = outside_recipe(recipe, name)
    return joined([named_network(other, one) for one in other.export.members])


def _first_steps(trainer: ClassifierTrainer, steps: int) -> list[str]:
    """Do them; in the last one, where the processor waits for a GPU."""
    for step in range(steps - 1):
        trainer.train_step(step)
    if trainer.fabric.device.type != "cuda":
        trainer.train_step(steps - 1)
        return []
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train_step(steps - 1)
    torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    return sorted({f"{Path(one.filename).name}:{one.lineno}" for one in caught if "synchroniz" in str(one.message)})


def _gflop(recipe: ClassifierRecipe, name: str) -> float:
    network = named_network(recipe, name)
    return count_gflop(network, [network], recipe.input.channels, recipe.input.size)


def _made_faces(recipe: ClassifierRecipe, count: int = 40000) -> Faces:
    """Faces of noise, as many as FER+ and a little more, with labels in turn."""
    size = recipe.input.size
    shape = (count, size, size) if recipe.input.colour == "grey" else (count, size, size, 3)
    labels = torch.arange(count) % len(EXPRESSIONS)
    pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Faces(pixels, F.one_hot(labels, len(EXPRESSIONS)).float(), labels, torch.full_like(labels, size), {})


if __name__ == "__main__":
    run(main)
