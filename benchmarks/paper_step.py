"""What one training step of the paper's system costs on this machine, in time and memory.

Run ``python benchmarks/paper_step.py --help``. Faces are made up: the cost does not depend on what they show. Each
measurement runs in a process of its own, so the peak of memory is that step's.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.comparison.image_sr import ImageSrTrainer
from fsrfer.errors import FsrferError
from fsrfer.files import write_text
from fsrfer.labels import EXPRESSIONS
from fsrfer.networks.cost import count_gflop
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.recipes.sections import LoopSettings
from fsrfer.training import build as networks
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compute import freeze, open_fabric
from fsrfer.training.faces import Faces
from fsrfer.training.loop import Trainee
from fsrfer.training.paper import NO_CAMERA, SHARP
from fsrfer.training.paper_trainers import AdversarialTrainer, Features, PretrainingTrainer
from fsrfer.training.views import ViewPlan
from measuring import processor, readable, run

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

STAGES = {
    "extractor": "extractor_training",
    "pretraining": "pretraining",
    "adversarial": "adversarial",
    "image-sr": "image_sr",
}
"""Stages by name, with the recipe's section of each; the first three are `fsrfer train`, the last is a rival's."""

TRAINED = ("extractor", "pretraining", "adversarial")

PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True, slots=True)
class Network:
    """Size of one network, and the cost of one face in one forward pass."""

    name: str
    parameters: int
    gflop: float


@dataclass(frozen=True, slots=True)
class Step:
    """One training step.

    Attributes:
        stage: of the training.
        precision: of Lightning Fabric.
        seconds: median of the repetitions.
        spread: the largest of them minus the smallest.
        peak_mib: the most memory the process held, Python and PyTorch themselves among it; on a GPU, PyTorch's on it.
        parts: median seconds of parts of the step.
    """

    stage: str
    precision: str
    seconds: float
    spread: float
    peak_mib: float
    parts: dict[str, float] = field(default_factory=dict)


class TimedAdversarialTrainer(AdversarialTrainer):
    """The adversarial stage, with the time of D's and of G's part of each step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.times: dict[str, list[float]] = {"D: losses and gradients": [], "G: losses and gradients": []}

    def d_step(self, features: Features, feat_sr: Tensor, weights: Tensor | None) -> Tensor:
        """D's step, timed."""
        with self._timed("D: losses and gradients"):
            return super().d_step(features, feat_sr, weights)

    def g_step(
        self, features: Features, feat_sr: Tensor, hidden_sr: Tensor, weights: Tensor | None
    ) -> dict[str, Tensor]:
        """G's step, timed."""
        with self._timed("G: losses and gradients"):
            return super().g_step(features, feat_sr, hidden_sr, weights)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        _wait_for_device()
        start = time.perf_counter()
        yield
        _wait_for_device()
        self.times[part].append(time.perf_counter() - start)


def main() -> int:
    """Measure, print, and save what was asked for."""
    options = arguments()
    console = Console(width=110)
    recipe = _recipe(options.recipe, options.set)
    batches = [f"{section}.loop.batch_size={options.batch}" for section in STAGES.values()]
    measured = _recipe(options.recipe, [*options.set, *batches])
    sizes = _apart(network_sizes, recipe)
    steps, failed = [], []
    for stage in options.stages:
        for precision in options.precision:
            with console.status(f"{stage}, {precision}"):
                try:
                    steps.append(_apart(measure, measured, stage, precision, options.repeat, options.threads))
                except BrokenProcessPool:
                    failed.append(f"{stage}, {precision}: the process was killed, most likely for want of memory")
    days = {precision: extrapolated_days(recipe, options.batch, steps, precision) for precision in options.precision}
    facts = machine(options, recipe)
    console.print(network_table(sizes))
    console.print(step_table(steps, options.batch))
    for line in failed:
        print(line, file=sys.stderr)
    for precision, figure in days.items():
        if figure is not None:
            console.print(extrapolation(recipe, options.batch, precision, figure))
    console.print("\n".join(f"{name}: {value}" for name, value in facts.items()), style="dim")
    if options.json:
        content = {
            "command": sys.argv,
            "machine": facts,
            "batch": options.batch,
            "recipe": recipe.model_dump(),
            "networks": [asdict(size) for size in sizes],
            "steps": [asdict(step) for step in steps],
            "extrapolated_days": days,
            "failed": failed,
        }
        write_text(options.json, json.dumps(content, indent=2) + "\n")
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time and memory of one training step of the paper's system.")
    parser.add_argument("--recipe", default="paper", help="a recipe of kind fsr (%(default)s)")
    parser.add_argument("--batch", type=int, default=2, metavar="N", help="faces a step, at least 2 (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="timed steps after a first (%(default)s)")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES, help="which (all)")
    parser.add_argument("--precision", nargs="+", default=list(PRECISIONS), choices=PRECISIONS, help="which (both)")
    parser.add_argument("--threads", type=int, help="of PyTorch (default: PyTorch's own choice)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change a recipe's key")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save figures and facts of the machine there")
    options = parser.parse_args()
    if options.repeat < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--repeat and --threads are at least 1")
    return options


def network_sizes(recipe: PaperRecipe) -> list[Network]:
    """Parameters and cost of every network of a recipe."""
    model, side = networks.covpool_model(recipe), recipe.extractor.bimap_dim
    feature = torch.zeros(1, 1, side, side)
    restorer = networks.image_super_resolver(recipe)
    on_features = {
        "head": model.head,
        "generator G": networks.generator(recipe),
        "discriminator D": networks.discriminator(recipe),
    }
    channels, size = recipe.input.channels, recipe.input.size
    return [
        Network("extractor E", _parameters(model.extractor), count_gflop(model.features, [model], channels, size)),
        *(
            Network(name, _parameters(part), count_gflop(_given(part, feature), [part], channels, size))
            for name, part in on_features.items()
        ),
        Network("image super-resolution", _parameters(restorer), count_gflop(restorer, [restorer], channels, size)),
    ]


def measure(recipe: PaperRecipe, stage: str, precision: str, repeat: int, threads: int | None) -> Step:
    """Time of a stage's training step by the trainer that `fsrfer train` uses, and the memory of this process."""
    if threads is not None:
        torch.set_num_threads(threads)
    trainee = _trainee(recipe, stage, precision)
    trainee.train_step(0)
    if isinstance(trainee, TimedAdversarialTrainer):
        for times in trainee.times.values():
            times.clear()
    seconds = [_seconds(trainee, step) for step in range(1, repeat + 1)]
    parts = trainee.times if isinstance(trainee, TimedAdversarialTrainer) else {}
    return Step(
        stage=stage,
        precision=precision,
        seconds=statistics.median(seconds),
        spread=max(seconds) - min(seconds),
        peak_mib=peak_memory(),
        parts={name: statistics.median(times) for name, times in parts.items() if times},
    )


def extrapolated_days(recipe: PaperRecipe, batch: int, steps: list[Step], precision: str) -> float | None:
    """Days of all steps of ``fsrfer train``, if time grows with the batch; None unless all its stages were measured."""
    seconds = {step.stage: step.seconds for step in steps if step.precision == precision}
    if not set(TRAINED) <= set(seconds):
        return None
    loops = {stage: _loop(recipe, stage) for stage in TRAINED}
    return sum(seconds[stage] / batch * loop.batch_size * loop.max_steps for stage, loop in loops.items()) / 86400


def extrapolation(recipe: PaperRecipe, batch: int, precision: str, days: float) -> str:
    """The sentence about it."""
    loops = {stage: _loop(recipe, stage) for stage in TRAINED}
    stages = ", ".join(f"{loop.max_steps} steps of {loop.batch_size} faces ({stage})" for stage, loop in loops.items())
    return (
        f"Extrapolated, not measured: {readable(days)} days for the whole schedule on this machine in {precision} "
        f"({stages}), if a face costs in the recipe's batch what it costs in a batch of {batch}. What a step costs "
        "whatever its batch is thereby overstated; validation and checkpoints are left out."
    )


def network_table(sizes: list[Network]) -> Table:
    """Networks, a row each."""
    table = Table("network", title="One face, forward")
    for column in ("parameters", "GFLOP"):
        table.add_column(column, justify="right")
    for size in sizes:
        table.add_row(size.name, f"{size.parameters:,}", readable(size.gflop))
    return table


def step_table(steps: list[Step], batch: int) -> Table:
    """Steps and their parts, a row each."""
    table = Table("step", "precision", title=f"One training step, batch of {batch}")
    for column in ("seconds", "spread", "peak MiB"):
        table.add_column(column, justify="right")
    for step in steps:
        row = (readable(step.seconds), readable(step.spread), f"{step.peak_mib:,.0f}")
        table.add_row(step.stage, step.precision, *row)
        for name, seconds in step.parts.items():
            table.add_row(f"  {name}", "", readable(seconds), "", "", style="dim")
    return table


def machine(options: argparse.Namespace, recipe: PaperRecipe) -> dict[str, Any]:
    """What a reader needs to compare figures."""
    return {
        "recipe": " ".join([recipe.name, *options.set]),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": options.threads or torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("fsrfer", "torch")},
    }


def peak_memory() -> float:
    """The most memory this process held so far, in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage's figure, this one knows nothing of the process that started this one
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _recipe(name: str, changes: list[str]) -> PaperRecipe:
    recipe = load_recipe(name, changes)
    if not isinstance(recipe, PaperRecipe):
        raise FsrferError(f"--recipe {name}: must be of kind fsr, such as paper")
    return recipe


def _loop(recipe: PaperRecipe, stage: str) -> LoopSettings:
    loops: dict[str, LoopSettings] = dict(zip(STAGES, recipe.loops(), strict=True))
    return loops[stage]


def _trainee(recipe: PaperRecipe, stage: str, precision: str) -> Trainee:
    fabric, faces = open_fabric(1, 1, precision), _made_faces(recipe)
    model = networks.covpool_model(recipe)
    if stage == "extractor":
        settings = recipe.extractor_training
        seen = ViewPlan(recipe.seed, settings.loop.batch_size, SHARP, NO_CAMERA, settings.augmentation)
        plan = ClassifierPlan(recipe.seed, seen, settings.optimizer, settings.loop)
        return ClassifierTrainer(fabric, plan, model, faces, faces)
    if stage == "image-sr":
        return ImageSrTrainer(fabric, recipe, networks.image_super_resolver(recipe), faces, faces)
    freeze(fabric.to_device(model))
    generator = networks.generator(recipe)
    if stage == "pretraining":
        return PretrainingTrainer(fabric, recipe, model, generator, faces, faces)
    return TimedAdversarialTrainer(fabric, recipe, model, generator, networks.discriminator(recipe), faces, faces)


def _made_faces(recipe: PaperRecipe, count: int = 64) -> Faces:
    """Noise with labels in turn."""
    size, generator = recipe.input.size, torch.Generator().manual_seed(0)
    shape = (count, size, size) if recipe.input.colour == "grey" else (count, size, size, 3)
    labels = torch.arange(count) % len(EXPRESSIONS)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return Faces(pixels, F.one_hot(labels, len(EXPRESSIONS)).float(), labels, torch.full_like(labels, size), {})


def _seconds(trainee: Trainee, step: int) -> float:
    start = time.perf_counter()
    trainee.train_step(step)
    _wait_for_device()
    return time.perf_counter() - start


def _wait_for_device() -> None:
    """Steps on a GPU return before they are computed."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _apart(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call a function in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _given(part: nn.Module, feature: Tensor) -> Callable[[Tensor], Tensor]:
    """A part that is shown a feature in the place of a face."""
    return lambda _: part(feature)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


if __name__ == "__main__":
    run(main)
