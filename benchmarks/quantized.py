"""Models with their convolutions in 8 bits: what is lost at each factor, and what time is won.

    python benchmarks/quantized.py --data ferplus=DIR --others rafdb=DIR:test --json quantized.json

Each model is put into 8 bits by each way to choose ranges (``--ranges``), by faces of the training part at all sizes; then it
answers the validation faces at each factor, as the model itself does, and all are timed in turns. Needs the extra ``train``.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from rich.console import Console

from answers import Faces, certain_of, figures, part_of, require_names
from fsrfer.cli.evaluate import parse_factors
from fsrfer.data import readers
from fsrfer.export.onnx import write_model
from fsrfer.export.quantized import METHODS, Method, at_all_sizes, in_8_bits
from fsrfer.files import write_text
from fsrfer.recognition.model import ExpressionModel, read_model
from fsrfer.types import UInt8Image
from measuring import figure_table, instructions, processor, run

FLOAT = "float32"

CALLS = {1: 40, 64: 2}
"""Of a model in each round, by the faces in a batch."""

Rows = dict[str, dict[str, float]]


def main() -> None:
    """Put models into 8 bits, measure, time, print."""
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    data = [Faces.read(word, part, options.folder) for word, part in [(options.data, "valid"), *options.others]]
    require_names(data)
    reader, path = readers.parse_source(options.data)
    training = readers.read(reader, path, "train")
    console, models = Console(width=110), {}
    for name in options.models:
        seen = at_all_sizes(training, ExpressionModel(name, 1).info, options.seen)
        files = {FLOAT: Path(name), **{ranges: in_8(name, ranges, seen, options.folder) for ranges in options.ranges}}
        found = {
            "accuracy": {faces.name: accuracy(files, faces, options.factors) for faces in data},
            "time": {f"threads: {threads}": times(files, threads, options.rounds) for threads in options.threads},
        }
        models[name] = found
        for title, rows in (*found["accuracy"].items(), *found["time"].items()):
            console.print(figure_table(f"{name}, {title}", rows))
    facts = machine()
    console.print("\n".join(f"{fact}: {value}" for fact, value in facts.items()), style="dim")
    if options.json:
        content = {"command": sys.argv, "machine": facts, "seen": options.seen, "models": models}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="NAME=DIR", help="train gives ranges, valid is measured")
    parser.add_argument("--others", nargs="*", default=[], type=part_of, metavar="NAME=DIR:PART", help="measured too")
    parser.add_argument(
        "--models", nargs="+", default=["default", "fast"], metavar="M", help="names or files (default and fast)"
    )
    parser.add_argument("--ranges", nargs="+", default=list(METHODS), choices=METHODS, help="(all)")
    parser.add_argument("--seen", type=int, default=256, metavar="N", help="training faces for ranges (%(default)s)")
    parser.add_argument("--factors", type=parse_factors, default="1-8", help="(%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="timed with (1 and 2)")
    parser.add_argument("--rounds", type=int, default=15, help="of timing (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("quantized"), help="keeps files, answers (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def in_8(name: str, ranges: Method, seen: UInt8Image, folder: Path) -> Path:
    """The file of a model in 8 bits, with ranges by some faces; made unless it is there."""
    model = ExpressionModel(name, 1)
    target = folder / f"{model.sha256[:16]}-{ranges}-{sha256(seen.tobytes()).hexdigest()[:16]}.onnx"
    if not target.is_file():
        write_model(in_8_bits(onnx.load_from_string(read_model(name)[0]), seen, ranges), model.info, target)
    return target


def accuracy(files: dict[str, Path], faces: Faces, factors: list[float]) -> Rows:
    """Figures of each file at each factor in percent, those in 8 bits with what they win in points of accuracy."""
    rows: Rows = {}
    for what, path in files.items():
        model = ExpressionModel(path, 1)
        for factor in factors:
            answers = faces.answers(model, factor)
            certain = certain_of(answers, answers.probabilities, model.info)
            row = figures(answers.probabilities, faces.labels, certain)
            won = row["accuracy"] - rows.get(f"x{factor:g} {FLOAT}", row)["accuracy"]
            rows[f"x{factor:g} {what}"] = {"won": round(won, 2), **row}
    return rows


def times(files: dict[str, Path], threads: int, rounds: int) -> Rows:
    """Milliseconds a face in one view, by file and batch: medians of the rounds, in which all files take turns.

    Of one thread its processor's seconds count, of several those of the clock.
    """
    models = {what: ExpressionModel(path, threads) for what, path in files.items()}
    info = models[FLOAT].info
    shape = (info.size, info.size) if info.colour == "grey" else (info.size, info.size, 3)
    clock = time.process_time if threads == 1 else time.perf_counter
    rows: Rows = {what: {"MB": len(read_model(path)[0]) / 1e6} for what, path in files.items()}
    for batch, calls in CALLS.items():
        crops = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
        seconds: dict[str, list[float]] = {what: [] for what in models}
        for _ in range(rounds + 1):
            for what, model in models.items():
                start = clock()
                for _ in range(calls):
                    model.answers(crops, mirror=False)  # whether a face is in doubt depends on the face
                seconds[what].append((clock() - start) / calls / batch)
        for what, (_, *each) in seconds.items():
            ratios = [before / now for before, now in zip(seconds[FLOAT][1:], each, strict=True)]
            rows[what] |= {
                f"ms, batch of {batch}": 1000 * statistics.median(each),
                f"times as fast, {batch}": statistics.median(ratios),
            }
    return rows


def machine() -> dict[str, Any]:
    """What a reader needs to compare figures."""
    versions = {name: metadata.version(name) for name in ("fsrfer", "onnxruntime", "onnx")}
    return {"processor": processor(), "8 bits by": instructions(), "system": platform.platform(), **versions}


if __name__ == "__main__":
    run(main)
