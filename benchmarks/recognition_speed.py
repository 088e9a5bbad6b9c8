"""Recognition against the machine's own peak, other packages' networks and the paper's generator, all in one run.

Run ``python benchmarks/recognition_speed.py --help``. Everything is timed in turns, round after round, and a ratio is the
median of the ratios within each round: what else the machine does meets all of them alike.
"""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fsrfer.errors import FsrferError
from fsrfer.files import write_text
from fsrfer.networks.cost import count_gflop
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.residual import last_side
from fsrfer.networks.uplift import FeatureUplift
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.recognition.model import ExpressionModel, bundled_models
from fsrfer.recognition.runtime import open_session
from measuring import processor, readable, run

BATCHES = (1, 64)
MATRIX = 1024
PAPER_SIDE = 128


@dataclass(frozen=True, slots=True)
class Task:
    """What is timed.

    Attributes:
        kind: ``"peak"``, ``"model"``, ``"rival"`` or ``"generator"``.
        name: of it.
        faces: that one call answers; 1 for a peak.
        gflop: 10^9 operations of a face in one view, two a multiply-add; None where it is not known.
        call: does it once.
    """

    kind: str
    name: str
    faces: int
    gflop: float | None
    call: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Timed:
    """A task, with its seconds a face in each round."""

    task: Task
    seconds: tuple[float, ...]

    @property
    def milliseconds(self) -> float:
        """A face, median of the rounds."""
        return 1000 * statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, in ms."""
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return 1000 * (high - low) / 2

    @property
    def gflops(self) -> float | None:
        """10^9 operations a second."""
        return None if self.task.gflop is None else self.task.gflop / statistics.median(self.seconds)

    def times(self, other: "Timed") -> float:
        """How many times the other's time a face takes."""
        return statistics.median(mine / its for mine, its in zip(self.seconds, other.seconds, strict=True))

    def share_of(self, peak: "Timed") -> float | None:
        """Operations a second as a share of the peak's."""
        if self.task.gflop is None or peak.task.gflop is None:
            return None
        return self.task.gflop / peak.task.gflop / self.times(peak)


def main() -> None:
    """Measure, print, and save what was asked for."""
    options = arguments()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "processor" else time.perf_counter
    tasks = [
        *peaks(options.threads),
        *(task for name in options.models for task in recognition(name, options.threads)),
        *(task for name, path in options.rival for task in outside(name, path, options.threads)),
        *generators(options.recipe),
    ]
    with threadpool_limits(options.threads), torch.inference_mode():
        results = in_turns(tasks, options.rounds, options.slice, clock)
    content = {"command": sys.argv, "machine": machine(options), **report(results)}
    console = Console(width=110)
    for table in (peak_table(content), recognition_table(content), generator_table(content)):
        console.print(table)
    console.print("\n".join(f"{name}: {value}" for name, value in content["machine"].items()), style="dim")
    if options.json:
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Recognition against the machine's peak, rivals, and the paper's G.")
    parser.add_argument(
        "--models", nargs="+", default=bundled_models(), metavar="M", help="names or files (all bundled)"
    )
    parser.add_argument(
        "--rival", nargs="+", default=[], type=named_path, metavar="NAME=ONNX", help="see outside/convert.py"
    )
    parser.add_argument("--recipe", default="default", help="whose model's first generator is timed (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of everything (one a core)")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="at least 2 (%(default)s)")
    parser.add_argument("--slice", type=float, default=0.1, metavar="S", help="seconds a turn, about (%(default)s)")
    parser.add_argument(
        "--clock",
        default="wall",
        choices=("wall", "processor"),
        help="processor: count its seconds, for one thread on a machine that does other work too (%(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save figures and facts of the machine there")
    options = parser.parse_args()
    if options.rounds < 2 or options.threads < 1:
        parser.error("--rounds is at least 2, --threads at least 1")
    if options.clock == "processor" and options.threads > 1:
        parser.error("--clock processor adds up all threads; give --threads 1 with it")
    return options


def named_path(word: str) -> tuple[str, Path]:
    """NAME=PATH, taken apart."""
    name, separator, path = word.partition("=")
    if not separator or not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{word}: expected NAME=FILE")
    return name, Path(path)


def peaks(threads: int) -> list[Task]:
    """Ways to multiply matrices in 32 bits; the quickest is the machine's peak."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((MATRIX, MATRIX), np.float32) for _ in range(2))
    product = np.empty_like(a)
    maps, kernels = rng.random((32, 128, 24, 24), np.float32), rng.random((128, 128, 3, 3), np.float32)
    multiply, convolve = single_node("MatMul", a, b, threads), single_node("Conv", maps, kernels, threads, pads=[1] * 4)
    square, conv = 2 * MATRIX**3 / 1e9, 2 * kernels.size * maps[:, 0].size / 1e9
    return [
        Task("peak", f"NumPy, {MATRIX} x {MATRIX}", 1, square, lambda: np.matmul(a, b, out=product)),
        Task("peak", f"ONNX Runtime, {MATRIX} x {MATRIX}", 1, square, multiply),
        Task("peak", "ONNX Runtime, 3x3 convolution of 128 channels", 1, conv, convolve),
    ]


def single_node(
    kind: str, given: np.ndarray[Any, Any], weights: np.ndarray[Any, Any], threads: int, **attributes: Any
) -> Callable[[], object]:
    """A session of one operation with constant weights."""
    shapes = (given.shape, [None] * given.ndim)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip("xy", shapes, strict=True))
    node = helper.make_node(kind, ["x", "w"], ["y"], **attributes)
    graph = helper.make_graph([node], "peak", [x], [y], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = open_session(model.SerializeToString(), kind, threads)
    return partial(session.run, None, {"x": given})


def recognition(name: str, threads: int) -> list[Task]:
    """A model of ours, from crops in memory to probabilities: one view of each, softmax and calibration among it."""
    model = ExpressionModel(name, threads)
    info, rng = model.info, np.random.default_rng(0)
    shape = (info.size, info.size) if info.colour == "grey" else (info.size, info.size, 3)
    crops = {count: rng.integers(0, 256, (count, *shape), np.uint8) for count in BATCHES}
    one_view = partial(model.answers, mirror=False)  # whether a face is in doubt depends on the face
    return [Task("model", name, count, info.gflop, partial(one_view, crops[count])) for count in BATCHES]


def outside(name: str, path: Path, threads: int) -> list[Task]:
    """Another package's network alone: what the package does around it is left out, to its advantage."""
    session = open_session(path.read_bytes(), str(path), threads)
    (given,) = session.get_inputs()
    rng = np.random.default_rng(0)
    faces = {count: 255 * rng.random((count, *given.shape[1:]), np.float32) for count in BATCHES}
    return [
        Task("rival", name, count, None, partial(session.run, None, {given.name: faces[count]})) for count in BATCHES
    ]


def generators(recipe_name: str) -> list[Task]:
    """The paper's generator, one face a call, and a classifier's own; each on a feature of its own size."""
    recipe = load_recipe(recipe_name)
    if not isinstance(recipe, ClassifierRecipe):
        raise FsrferError(f"--recipe {recipe_name}: of another kind; name one such as default")
    settings = recipe.networks[recipe.export.members[0]]
    architecture, uplift = settings.architecture, settings.uplift
    if not uplift.blocks:
        raise FsrferError(
            f"--recipe {recipe_name}: the first network of its model has no generator; name one such as default"
        )
    paper = FeatureGenerator().eval()
    channels, side = (
        architecture.widths[-1],
        last_side(recipe.input.size, len(architecture.widths), architecture.stem_stride),
    )
    small = FeatureUplift(channels, uplift.hidden, uplift.blocks, conditioned=uplift.conditioned).eval()
    feature = torch.randn(1, 1, PAPER_SIDE, PAPER_SIDE)
    paper_gflop = count_gflop(paper, [paper], 1, PAPER_SIDE)
    sizes = {count: torch.full((count,), 3.0) for count in BATCHES}
    maps = {count: torch.rand(count, channels, side, side) for count in BATCHES}
    gflop = count_gflop(lambda _: small(maps[1], sizes[1]), [small], 1, side)
    return [
        Task("generator", named("paper", paper), 1, paper_gflop, partial(paper, feature)),
        *(
            Task(
                "generator",
                named(f"uplift of {recipe_name}", small),
                count,
                gflop,
                partial(small, maps[count], sizes[count]),
            )
            for count in BATCHES
        ),
    ]


def named(name: str, network: torch.nn.Module) -> str:
    """A network's name with its size."""
    return f"{name}, {sum(weights.numel() for weights in network.parameters()):,} parameters"


def in_turns(tasks: list[Task], rounds: int, seconds: float, clock: Callable[[], float]) -> list[Timed]:
    """Every task in every round, forwards and backwards by turns, so that none is always after the same one."""
    calls = []
    for task in tasks:
        task.call()
        calls.append(max(1, math.ceil(seconds / elapsed(task, 1, clock))))
    times: list[list[float]] = [[] for _ in tasks]
    for number in range(rounds):
        order = range(len(tasks)) if number % 2 == 0 else reversed(range(len(tasks)))
        for index in order:
            task = tasks[index]
            if calls[index] > 1:
                task.call()  # fills the caches that the task before it emptied; a long call does so by itself
            times[index].append(elapsed(task, calls[index], clock) / calls[index] / task.faces)
    return [Timed(task, tuple(row)) for task, row in zip(tasks, times, strict=True)]


def elapsed(task: Task, calls: int, clock: Callable[[], float]) -> float:
    """Seconds of some calls."""
    start = clock()
    for _ in range(calls):
        task.call()
    return max(clock() - start, 1e-6)


def report(results: list[Timed]) -> dict[str, Any]:
    """All figures as plain values."""
    kinds = {kind: [r for r in results if r.task.kind == kind] for kind in ("peak", "model", "rival", "generator")}
    peak = max(kinds["peak"], key=lambda result: result.gflops or 0)
    paper = kinds["generator"][0]
    return {
        "peak": {result.task.name: result.gflops for result in kinds["peak"]},
        "recognition": [
            {
                **row(result),
                "share_of_peak": result.share_of(peak),
                "times_rival": {
                    rival.task.name: result.times(rival)
                    for rival in kinds["rival"]
                    if rival.task.faces == result.task.faces and result.task.kind == "model"
                },
            }
            for result in (*kinds["model"], *kinds["rival"])
        ],
        "generators": [
            {
                **row(result),
                "cheaper_in_operations": (paper.task.gflop or 0) / (result.task.gflop or 1),
                "cheaper_in_time": paper.times(result),
            }
            for result in kinds["generator"]
        ],
    }


def row(result: Timed) -> dict[str, Any]:
    """What is reported of every task but the peak."""
    return {
        "name": result.task.name,
        "batch": result.task.faces,
        "ms_a_face": result.milliseconds,
        "spread_ms": result.spread,
        "gflop_a_face": result.task.gflop,
        "gflops": result.gflops,
    }


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """What a reader needs to compare figures."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "clock": options.clock,
        "rounds": options.rounds,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("fsrfer", "onnxruntime", "numpy", "torch")},
    }


def peak_table(content: dict[str, Any]) -> Table:
    """Ways to multiply matrices, the quickest in bold."""
    table = Table("in 32 bits", title="The machine's peak")
    table.add_column("GFLOP/s", justify="right")
    best = max(content["peak"].values())
    for name, gflops in content["peak"].items():
        table.add_row(name, readable(gflops), style="bold" if gflops == best else None)
    return table


def recognition_table(content: dict[str, Any]) -> Table:
    """Our models and the rivals, a row for each batch."""
    rivals = sorted({name: None for line in content["recognition"] for name in line["times_rival"]})
    table = Table("network", title="Recognition")
    for column in (
        "batch",
        "ms a face",
        "spread",
        "GFLOP",
        "GFLOP/s",
        "of peak",
        *(f"times {name}" for name in rivals),
    ):
        table.add_column(column, justify="right")
    for line in content["recognition"]:
        share = "" if line["share_of_peak"] is None else f"{line['share_of_peak']:.0%}"
        ratios = (cell(line["times_rival"].get(name)) for name in rivals)
        table.add_row(line["name"], *cells(line), share, *ratios)
    return table


def generator_table(content: dict[str, Any]) -> Table:
    """The paper's generator and a classifier's own."""
    table = Table("generator", title="Generators")
    for column in ("batch", "ms a face", "spread", "GFLOP", "GFLOP/s", "cheaper: operations", "time"):
        table.add_column(column, justify="right")
    for line in content["generators"]:
        table.add_row(
            line["name"], *cells(line), *(cell(line[f"cheaper_in_{what}"]) for what in ("operations", "time"))
        )
    return table


def cells(line: dict[str, Any]) -> list[str]:
    """What all rows have in common."""
    return [str(line["batch"]), *(cell(line[key]) for key in ("ms_a_face", "spread_ms", "gflop_a_face", "gflops"))]


def cell(value: float | None) -> str:
    """A figure, or nothing where it is not known."""
    return "" if value is None else readable(value)


if __name__ == "__main__":
    run(main)
