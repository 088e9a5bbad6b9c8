"""How much more often models are right than another one on the same faces, and how far seeds of one recipe lie apart.

    python benchmarks/face_by_face.py runs/seed16/model.onnx --against default --data ferplus=DIR:valid rafdb=DIR:test
    python benchmarks/face_by_face.py default runs/seed16/model.onnx runs/seed17/model.onnx --seeds --data ferplus=DIR:valid

Every model answers every face as its file does it, shrunk by each factor and enlarged again. Intervals are those of 95% for
other faces, by drawing faces 2,000 times, the same for both models. ``--seeds`` takes the models for seeds of one recipe and
adds their mean and standard deviation. Answers are kept in ``--folder`` from one call to the next.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from answers import Faces, part_of, require_names
from fsrfer.cli.evaluate import parse_factors
from fsrfer.comparison.statistics import Difference, difference
from fsrfer.evaluation.metrics import score
from fsrfer.files import write_text
from fsrfer.recognition.model import ExpressionModel
from measuring import run

MEAN = "mean"
"""The column of all factors together."""

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one model is worth on one data set.

    Attributes:
        accuracy, macro_f1: in percent, by factor and in the mean over the factors.
        right: bool, factors x N.
    """

    accuracy: Row
    macro_f1: Row
    right: NDArray[np.bool_]


def main() -> None:
    """Answer, compare, print, and save what was asked for."""
    options = arguments()
    console, found = Console(width=120), {}
    factors: list[float] = options.factors
    names = list(dict.fromkeys([*options.models, *([options.against] if options.against else [])]))
    parts = [Faces.read(word, split, options.folder) for word, split in options.data]
    require_names(parts)
    for faces in parts:
        judged = {name: judge(name, faces, factors) for name in track(names, faces.name, transient=True)}
        chosen = {name: judged[name] for name in options.models}
        found[faces.name] = content = as_content(judged)
        console.print(score_table(f"{faces.name}, {len(faces.labels)} faces: accuracy / macro-F1, %", judged))
        if options.seeds:
            content["seeds"] = spread(list(chosen.values()))
            console.print(spread_table(f"{faces.name}: {len(chosen)} seeds", content["seeds"]))
        if options.against:
            against = {name: differences(one, judged[options.against], factors) for name, one in chosen.items()}
            content["against"] = {name: {k: d.to_dict() for k, d in row.items()} for name, row in against.items()}
            console.print(difference_table(f"{faces.name}: accuracy minus that of {options.against}, points", against))
    if options.json:
        content = {"command": sys.argv, "against": options.against, "data": found}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="bundled names or .onnx files")
    parser.add_argument("--against", metavar="MODEL", help="the one that they are compared with")
    parser.add_argument("--seeds", action="store_true", help="the models are seeds of one recipe")
    parser.add_argument("--data", nargs="+", required=True, type=part_of, metavar="NAME=DIR:PART", help="whose faces")
    parser.add_argument("--factors", type=parse_factors, default="1-8", metavar="LIST", help="(%(default)s)")
    parser.add_argument("--folder", type=Path, help="keeps answers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    if options.seeds and len(set(options.models)) < 2:
        parser.error("--seeds: name two models or more")
    return options


def judge(name: str, faces: Faces, factors: Sequence[float]) -> Judged:
    """Let one model answer all faces at all factors."""
    model, labels = ExpressionModel(name), faces.labels
    answered = [faces.answers(model, factor).probabilities for factor in factors]
    scores = [score(labels, probabilities) for probabilities in answered]
    return Judged(
        accuracy=_row(factors, [100 * one.accuracy for one in scores]),
        macro_f1=_row(factors, [100 * one.macro_f1 for one in scores]),
        right=np.stack([probabilities.argmax(1) == labels for probabilities in answered]),
    )


def differences(one: Judged, other: Judged, factors: Sequence[float]) -> dict[str, Difference]:
    """One model's accuracy minus another's, at each factor and in the mean."""
    rows = zip(factors, one.right, other.right, strict=True)
    found = {f"x{factor:g}": difference(mine[None], theirs[None]) for factor, mine, theirs in rows}
    return {**found, MEAN: difference(one.right.mean(0, keepdims=True), other.right.mean(0, keepdims=True))}


def spread(seeds: Sequence[Judged]) -> dict[str, dict[str, Row]]:
    """Mean and standard deviation (n - 1) over seeds, of accuracy and macro-F1."""
    rows = {"accuracy": [one.accuracy for one in seeds], "macro_f1": [one.macro_f1 for one in seeds]}
    return {
        name: {
            "mean": {key: statistics.fmean(row[key] for row in several) for key in several[0]},
            "deviation": {key: statistics.stdev(row[key] for row in several) for key in several[0]},
        }
        for name, several in rows.items()
    }


def as_content(judged: Mapping[str, Judged]) -> dict[str, Any]:
    """Figures of all models, ready for JSON."""
    return {"models": {name: {"accuracy": one.accuracy, "macro_f1": one.macro_f1} for name, one in judged.items()}}


def score_table(title: str, judged: Mapping[str, Judged]) -> Table:
    """Accuracy and macro-F1 of each model."""
    return _table(
        title,
        {
            name: {key: f"{value:.1f} / {one.macro_f1[key]:.1f}" for key, value in one.accuracy.items()}
            for name, one in judged.items()
        },
    )


def spread_table(title: str, found: Mapping[str, Mapping[str, Row]]) -> Table:
    """Mean and deviation of both."""
    return _table(
        title,
        {
            name: {key: f"{row['mean'][key]:.1f} ± {row['deviation'][key]:.1f}" for key in row["mean"]}
            for name, row in found.items()
        },
    )


def difference_table(title: str, found: Mapping[str, Mapping[str, Difference]]) -> Table:
    """Difference and interval of each model."""

    def cell(one: Difference) -> str:
        low, high = one.interval
        return f"{100 * one.mean:+.2f} ({100 * low:+.2f}, {100 * high:+.2f})"

    return _table(title, {name: {key: cell(one) for key, one in row.items()} for name, row in found.items()})


def _row(factors: Sequence[float], values: Sequence[float]) -> Row:
    return {
        **{f"x{factor:g}": value for factor, value in zip(factors, values, strict=True)},
        MEAN: statistics.fmean(values),
    }


def _table(title: str, columns: Mapping[str, Mapping[str, str]]) -> Table:
    """A row a factor, and their mean."""
    table = Table("", title=title)
    for name in columns:
        table.add_column(name, justify="right")
    for key in next(iter(columns.values())):
        table.add_row(key, *(column[key] for column in columns.values()))
    return table


if __name__ == "__main__":
    run(main)
