"""How close are the shares of a group to the truth, by method, and how often do the intervals hold it?

Kept-out faces are split in halves by class, several times anew: one half measures the model's confusion at each factor,
from the other groups of known composition are drawn (compositions from a symmetric Dirichlet distribution, faces with
replacement). With ``--own-confusion`` the confusion is that of the model's card, as in use, and the groups are drawn from
all faces. Each group is shrunk by every factor and its shares are estimated by each method:

    count      share of each class among the likeliest answers
    mean       mean probability
    adjusted   the likeliest answers, with the confusion of the calibration half inverted within the simplex
    soft       the probabilities, likewise
    em         likeliest shares (Saerens et al.), priors from the calibration half
    fsrfer     what `fsrfer video` tells: posterior mean, with its 95% interval

    python benchmarks/quantification.py MODEL.onnx --data ferplus=DIR --json FILE
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from answers import Faces
from fsrfer.cli.evaluate import parse_factors
from fsrfer.evaluation.metrics import soft_confusion
from fsrfer.files import write_text
from fsrfer.group.estimate import Tally, estimate
from fsrfer.group.quantification import expectation_maximisation, likelihood
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.recognition.model import ExpressionModel
from measuring import run
from quantifiers import adjusted_count, classify_and_count, mean_probability, rates

Floats = NDArray[np.float64]
Method = Callable[[NDArray[np.floating]], Floats]

CLASSES = len(EXPRESSIONS)


def main() -> None:
    """Print mean absolute errors and coverage a factor."""
    options = parse()
    known = Faces.read(options.data, options.split, options.cache)
    model = ExpressionModel(options.model, options.threads)
    probabilities = {factor: known.answers(model, factor).probabilities for factor in parse_factors(options.factors)}
    reports = {}
    for faces in options.faces:
        reports[str(faces)] = measure(probabilities, known.labels, options, model.info, faces)
        print(f"groups of {faces} faces\n{table(reports[str(faces)])}\n", flush=True)
    if options.json:
        facts = {
            "model": model.sha256,
            "data": known.dataset.name,
            "split": options.split,
            "own_confusion": options.own_confusion,
            "splits": options.splits,
        }
        content = {**facts, "mixtures": options.mixtures, "concentration": options.concentration, "faces": reports}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="a bundled model's name or an .onnx file")
    parser.add_argument("--data", required=True, metavar="NAME=PATH")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--factors", default="1-8")
    parser.add_argument("--faces", type=int, nargs="+", default=[200], help="in a group (200)")
    parser.add_argument("--splits", type=int, default=10, help="in halves, each anew (%(default)s)")
    parser.add_argument("--mixtures", type=int, default=20, help="groups a split and factor (%(default)s)")
    parser.add_argument("--concentration", type=float, default=1.0, help="of the Dirichlet distribution (%(default)s)")
    parser.add_argument("--own-confusion", action="store_true", help="of the model's card, not of a half of the faces")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder that keeps the model's answers from one call to the next")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


def measure(
    probabilities: dict[float, NDArray[np.float32]],
    labels: NDArray[np.int64],
    options: argparse.Namespace,
    info: ModelInfo,
    faces: int,
) -> dict[str, dict[str, float]]:
    """Errors of each method and coverage of the interval, a factor: the mean over groups and over splits in halves."""
    rng = np.random.default_rng(options.seed)
    tallies = {factor: Results() for factor in probabilities}
    for _ in range(options.splits):
        known, pool = halves(labels, rng)
        drawn_from = np.arange(len(labels)) if options.own_confusion else pool
        groups = list(draw_groups(labels, drawn_from, faces, options, rng))
        confusion = {
            f"{48 / factor:g}": soft_confusion(rows[known], labels[known]).tolist()
            for factor, rows in probabilities.items()
        }
        calibrated = info if options.own_confusion else replace(info, confusion=confusion)
        for factor, rows in probabilities.items():
            methods = methods_at(rows[known], labels[known])
            for chosen in groups:
                truth = np.bincount(labels[chosen], minlength=CLASSES) / faces
                told = {name: method(rows[chosen]) for name, method in methods.items()}
                tallies[factor].add(truth, told, ours(rows[chosen], 48 / factor, calibrated))
    return {f"x{factor:g}": {"height_px": 48 / factor, **results.figures()} for factor, results in tallies.items()}


class Results:
    """Of all groups at one factor."""

    def __init__(self) -> None:
        self._errors: dict[str, list[float]] = defaultdict(list)
        self._truths: list[Floats] = []
        self._intervals: list[tuple[Floats, Floats]] = []

    def add(self, truth: Floats, told: dict[str, Floats], own: tuple[Floats, Floats, Floats]) -> None:
        """Take a group's true shares, those of each method, and ours with the ends of their intervals."""
        value, low, high = own
        for name, shares in {**told, "fsrfer": value}.items():
            self._errors[name].append(float(np.abs(shares - truth).mean()))
        self._truths.append(truth)
        self._intervals.append((low, high))

    def figures(self) -> dict[str, float]:
        """Errors and widths in percentage points, coverage as a share."""
        truths, (low, high) = np.array(self._truths), np.array(self._intervals).transpose(1, 0, 2)
        held = (low <= truths) & (truths <= high)
        return {
            **{name: round(100 * float(np.mean(values)), 3) for name, values in self._errors.items()},
            "coverage": round(float(held.mean()), 4),
            **{name: round(float(held[which].mean()), 4) for name, which in by_share(truths) if which.any()},
            "width": round(100 * float((high - low).mean()), 2),
        }


def by_share(truths: Floats) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Where the true share is none, small and large: each has a coverage of its own."""
    for name, low, high in (("none", -1.0, 0.0), ("to_20%", 0.0, 0.2), ("above", 0.2, 1.0)):
        yield name, (truths > low) & (truths <= high)


def halves(labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of every class."""
    parts: list[list[NDArray[np.int64]]] = [[], []]
    for label in range(CLASSES):
        shuffled = rng.permutation(np.flatnonzero(labels == label))
        parts[0].append(shuffled[: len(shuffled) // 2])
        parts[1].append(shuffled[len(shuffled) // 2 :])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def draw_groups(
    labels: NDArray[np.int64],
    pool: NDArray[np.int64],
    faces: int,
    options: argparse.Namespace,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.int64]]:
    """Groups of faces whose composition is drawn first."""
    by_class = [pool[labels[pool] == label] for label in range(CLASSES)]
    for _ in range(options.mixtures):
        counts = rng.multinomial(faces, rng.dirichlet(np.full(CLASSES, options.concentration)))
        yield np.concatenate([rng.choice(members, count) for members, count in zip(by_class, counts, strict=True)])


def methods_at(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Method]:
    """The methods to compare with, each with what it may know of the calibration half."""
    soft = rates(soft_confusion(probabilities, labels))
    hard = rates(soft_confusion(answers(probabilities), labels))
    said = mean_probability(probabilities)

    def same(matrix: Floats, count: int) -> Floats:
        return np.broadcast_to(matrix, (count, CLASSES, CLASSES))

    return {
        "count": classify_and_count,
        "mean": mean_probability,
        "adjusted": lambda rows: adjusted_count(answers(rows), same(hard, len(rows))),
        "soft": lambda rows: adjusted_count(rows, same(soft, len(rows))),
        "em": lambda rows: expectation_maximisation(likelihood(rows, said)),
    }


def answers(probabilities: NDArray[np.floating]) -> Floats:
    """One for the likeliest class, zero for the others."""
    chosen: Floats = np.eye(CLASSES)[probabilities.argmax(axis=1)]
    return chosen


def ours(rows: NDArray[np.float32], height: float, info: ModelInfo) -> tuple[Floats, Floats, Floats]:
    """Shares and the ends of their intervals, as the commands tell them."""
    tally, rule = Tally(), CertaintyRule(certain_from=0.0)
    for row in rows:
        tally.add(rule.judge(row, height), too_small=False)
    shares = estimate(tally, info).shares.values()
    value, low, high = np.array([[share.value, share.low, share.high] for share in shares]).T
    return value, low, high


def table(report: dict[str, dict[str, float]]) -> str:
    """Aligned columns: mean absolute error of a share in percentage points, coverage in percent, mean width in points."""
    names = list(next(iter(report.values())))
    lines = ["".join(f"{name:>10}" for name in ("factor", *names))]
    lines += [
        "".join([f"{factor:>10}", *(f"{value:>10.3g}" for value in row.values())]) for factor, row in report.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
