"""How well the voters of FER+ agree with each other, and a model with them: what its labels of ten votes can show.

    python benchmarks/voters.py default fast --data ferplus=DIR --factors 1,4,8 --json FILE

A voter is kept back, and some of the others are asked what most of them chose: how often is it what the voter chose? A model is
asked instead of them; people always saw the face at full size. How often ten *other* people would choose what these ten chose
cannot be counted. It is estimated: each face's chances have a Dirichlet distribution, fitted to all faces, given its votes.
The same estimate of five others, given five, stands beside what five others did choose, to judge it by.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from answers import Faces
from fsrfer.cli.evaluate import parse_factors
from fsrfer.comparison.statistics import Difference, difference
from fsrfer.data import ferplus, readers
from fsrfer.errors import InputError
from fsrfer.files import write_text
from fsrfer.labels import EXPRESSIONS, FERPLUS_COLUMNS
from fsrfer.recognition.model import ExpressionModel
from measuring import run

DRAWS = 200
"""Of who is asked and who is kept back, and of what other voters might choose."""

VOTERS = 10
"""Of each face of FER+."""

_NAMES = tuple(name for name in FERPLUS_COLUMNS if name in EXPRESSIONS)
_COLUMNS = np.array([FERPLUS_COLUMNS.index(name) for name in _NAMES])
"""The seven expressions in the order of the file, the first of equals in which is the label."""

NOTHING = -1
"""What is chosen by voters none of whom chose one of the seven."""

Counts = NDArray[np.int64]
Chosen = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Others:
    """How often other people would choose what the ten voters of a face chose, 0..1, estimated but for `five_counted`.

    Attributes:
        ten: most of ten others, share of all faces.
        many: most of very many others.
        five_estimated: most of five others, given the votes of five alone.
        five_counted: most of the five that were kept back.
        recall: most of ten others, share of each expression's faces.
    """

    ten: float
    many: float
    five_estimated: float
    five_counted: float
    recall: dict[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """A model at one factor.

    Attributes:
        agreement: with a voter, 0..1.
        against: that of most of nine other voters is taken from it.
        recall: share of each expression's faces.
    """

    agreement: float
    against: Difference
    recall: dict[str, float]


def main() -> None:
    """Count, estimate, print, and save what was asked for."""
    options = arguments()
    faces = Faces.read(options.data, options.split, None)
    if faces.dataset.name != "ferplus":
        raise InputError(f"--data {options.data}: has no counts of votes; name the folder of FER+ as ferplus=DIR")
    counts = votes_of(faces, readers.parse_sources([options.data])["ferplus"])
    people = [with_a_voter(counts, asked) for asked in track(range(1, VOTERS), "voters", transient=True)]
    estimated = others(counts)
    asked = [(name, factor) for name in options.models for factor in options.factors]
    judged = {
        f"{name}, x{factor:g}": judge(model_choices(name, faces, factor), counts, people[-1])
        for name, factor in track(asked, "models", transient=True)
    }
    console = Console(width=120)
    console.print(agreement_table(f"{len(counts)} faces of {faces.name}", people, judged))
    console.print(others_table(estimated))
    console.print(recall_table({"ten others": estimated.recall, **{name: one.recall for name, one in judged.items()}}))
    if options.json:
        content = {
            "command": sys.argv,
            "faces": len(counts),
            "voters": {asked: float(shares.mean()) for asked, shares in enumerate(people, 1)},
            "others": asdict(estimated),
            "models": {name: asdict(one) for name, one in judged.items()},
        }
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="bundled names or .onnx files")
    parser.add_argument("--data", required=True, metavar="ferplus=DIR")
    parser.add_argument("--split", default="valid", help="(%(default)s)")
    parser.add_argument("--factors", type=parse_factors, default="1,2,4,8", metavar="LIST", help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def votes_of(faces: Faces, root: Path) -> Counts:
    """Of each face, by `FERPLUS_COLUMNS`; N x 10.

    Raises:
        InputError: a face was not judged by ten voters.
    """
    by_path = {one.path: one.votes for one in ferplus.read_all(root, faces.dataset.split)}
    counts = np.stack([by_path[sample.path] for sample in faces.dataset.samples])
    if other := int((counts.sum(1) != VOTERS).sum()):
        raise InputError(f"{faces.name}: {other} faces have not {VOTERS} votes; take the label.csv of FER+ as it comes")
    return counts


def model_choices(name: str, faces: Faces, factor: float) -> Chosen:
    """What a model answers to the faces shrunk by a factor, as `majority` counts."""
    answers = faces.answers(ExpressionModel(name), factor).probabilities.argmax(1)
    places = np.array([_NAMES.index(expression) for expression in EXPRESSIONS])
    chosen: Chosen = places[answers]
    return chosen


def judge(chosen: Chosen, counts: Counts, nine: Shares) -> Judged:
    """What a model chose against the voters, and against what nine of them make of the tenth."""
    shares = (counts[:, _COLUMNS] / VOTERS)[np.arange(len(counts)), chosen]
    return Judged(float(shares.mean()), difference(shares[None], nine[None]), recall(chosen, majority(counts)))


def majority(counts: NDArray[np.generic]) -> Chosen:
    """The expression with the most votes, the first of equals in the order of the file; `NOTHING` where none has any."""
    of_seven = counts[..., _COLUMNS]
    chosen: Chosen = np.where(of_seven.max(-1) > 0, of_seven.argmax(-1), NOTHING)
    return chosen


def with_a_voter(counts: Counts, asked: int) -> Shares:
    """How often most of some voters of a face choose what one of the others did; N."""
    rng = np.random.default_rng(0)
    agreeing = np.zeros(len(counts))
    for _ in range(DRAWS):
        taken = taken_out(counts, asked, rng)
        left = (counts - taken)[:, _COLUMNS] / (VOTERS - asked)
        chosen = majority(taken)
        agreeing += np.where(chosen == NOTHING, 0, left[np.arange(len(counts)), chosen])
    return agreeing / DRAWS


def taken_out(counts: Counts, asked: int, rng: np.random.Generator) -> Counts:
    """Votes of some voters of each face, drawn without replacement."""
    ballots = np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.ravel()).reshape(len(counts), VOTERS)
    drawn = rng.permuted(ballots, axis=1)[:, :asked]
    taken: Counts = (drawn[..., None] == np.arange(counts.shape[1])).sum(1)
    return taken


def same(one: Chosen, other: Chosen) -> float:
    """Share of the faces for which two sides choose the same; `NOTHING` agrees with nothing."""
    return float(((one == other) & (one != NOTHING)).mean())


def others(counts: Counts) -> Others:
    """What people who were not asked would choose, estimated, and five who were by the same estimate."""
    rng = np.random.default_rng(0)
    label, prior = majority(counts), fitted_prior(counts)
    half = taken_out(counts, VOTERS // 2, rng)
    half_label, half_prior = majority(half), fitted_prior(half)
    tens = [panel(counts, prior, VOTERS, rng) for _ in range(DRAWS)]
    recalls = [recall(ten, label) for ten in tens]
    return Others(
        ten=float(np.mean([same(ten, label) for ten in tens])),
        many=float(np.mean([same(panel(counts, prior, None, rng), label) for _ in range(DRAWS)])),
        five_estimated=float(
            np.mean([same(panel(half, half_prior, VOTERS // 2, rng), half_label) for _ in range(DRAWS)])
        ),
        five_counted=same(half_label, majority(counts - half)),
        recall={name: float(np.mean([row[name] for row in recalls])) for name in recalls[0]},
    )


def recall(chosen: Chosen, label: Chosen) -> dict[str, float]:
    """Share of each expression's faces that were answered so."""
    return {name: float((chosen[label == k] == k).mean()) for k, name in enumerate(_NAMES) if (label == k).any()}


def fitted_prior(counts: Counts) -> NDArray[np.float64]:
    """The Dirichlet distribution under which these votes are likeliest; a column nobody chose keeps a small number."""

    def loss_and_slope(logarithm: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        prior = np.exp(logarithm)
        total, voters = prior.sum(), counts.sum(1)
        likelihood = (gammaln(total) - gammaln(total + voters)).sum() + (gammaln(prior + counts) - gammaln(prior)).sum()
        slope = (digamma(total) - digamma(total + voters)).sum() + (digamma(prior + counts) - digamma(prior)).sum(0)
        return -float(likelihood), -slope * prior

    start = np.full(counts.shape[1], -1.0)
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=[(-12.0, 6.0)] * len(start))
    fitted: NDArray[np.float64] = np.exp(found.x)
    return fitted


def panel(counts: Counts, prior: NDArray[np.float64], voters: int | None, rng: np.random.Generator) -> Chosen:
    """What most of so many other voters of each face would choose, in one draw; None is very many."""
    chances = rng.standard_gamma(counts + prior)
    chances /= chances.sum(1, keepdims=True)
    return majority(chances if voters is None else rng.multinomial(voters, chances))


def agreement_table(title: str, people: Sequence[Shares], judged: Mapping[str, Judged]) -> Table:
    """Voters, a row for each number of them, and models."""
    table = Table("who is asked", "agrees with a voter", "minus most of nine, points", title=title)
    for asked, shares in enumerate(people, 1):
        table.add_row("another voter" if asked == 1 else f"most of {asked} other voters", f"{shares.mean():.1%}", "")
    for name, one in judged.items():
        low, high = one.against.interval
        against = f"{100 * one.against.mean:+.1f} ({100 * low:+.1f}, {100 * high:+.1f})"
        table.add_row(name, f"{one.agreement:.1%}", against)
    return table


def others_table(found: Others) -> Table:
    """Estimated figures, and the one they can be judged by."""
    title = "Others would choose what these ten chose (estimated)"
    table = Table("ten others", "very many others", "five others given five: estimated / counted", title=title)
    table.add_row(f"{found.ten:.1%}", f"{found.many:.1%}", f"{found.five_estimated:.1%} / {found.five_counted:.1%}")
    return table


def recall_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Share of each expression's faces that are recognised."""
    table = Table("who", *_NAMES, title="Faces of each expression recognised, %")
    for name, row in rows.items():
        table.add_row(name, *(f"{100 * row[one]:.0f}" if one in row else "-" for one in _NAMES))
    return table


if __name__ == "__main__":
    run(main)
