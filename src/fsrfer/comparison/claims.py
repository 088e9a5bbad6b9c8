"""What a study of feature super-resolution says of each claim of the paper's abstract (arXiv:2004.02234)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fsrfer.comparison.statistics import DRAWS, Difference, difference, holm
from fsrfer.comparison.store import Runs, Store
from fsrfer.errors import DataError

Verdict = Literal["shown", "not shown", "shown against"]

SURE = 0.05
"""Adjusted p below which a difference counts."""

LEAST_FACTOR = 2
"""Sharp faces say nothing of super-resolution."""


HOW = (
    "One network, one start, one budget; each arm differs in what it learns from. Only `image-sr` has more than that "
    "network: a restorer of pictures before it, trained with it. A claim of the paper's abstract is *shown* where its arm "
    "is surely above the other in the mean of all factors from x2 on, on every data set, *shown against* where it is surely "
    "below. Sure is p < 0.05 after Holm's adjustment, with an interval without 0. The means are adjusted together, and so "
    "are the single factors, which decide nothing. The usual coefficients of the losses were tuned on FER+'s validation "
    "faces, which favours the arms that have them there."
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, as one method against another.

    Attributes:
        text: what is claimed.
        method, reference: names of the methods; the first should be above.
    """

    text: str
    method: str
    reference: str


CLAIMS = (
    Claim("Bringing the features of small faces near those of sharp ones makes them tell more", "fsr", "sharp-view"),
    Claim("One model with feature super-resolution serves every factor better than labels alone", "fsr", "votes"),
    Claim("Feature super-resolution beats restoring the picture first", "fsr", "image-sr"),
    Claim("A discriminator of the features helps", "fsr-critic", "fsr"),
    Claim("Weighting faces that are easily misclassified helps", "fsr-reweighted", "fsr"),
)
CONTROLS = (
    Claim("Restoring the picture first helps", "image-sr", "sharp-view"),
    Claim("A strong teacher helps: its answer to the same view", "same-view", "votes"),
    Claim("Its answer to the sharp face is a better one to follow", "sharp-view", "same-view"),
    Claim("Its features of the sharp face do without its answers", "fsr-features-alone", "votes"),
    Claim("So do its features of the same view", "same-features-alone", "votes"),
    Claim("Features of the sharp face are better ones to follow", "fsr-features-alone", "same-features-alone"),
    Claim("Feature super-resolution beats the teacher's answer to the same view", "fsr", "same-view"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One contrast on the faces of one store: at one factor, or of the mean over all from 2 on (None)."""

    claim: Claim
    data: str
    factor: float | None
    difference: Difference
    adjusted_p: float

    @property
    def sign(self) -> int:
        """1 or -1 where the first is surely above or below, else 0."""
        low, high = self.difference.interval
        return 0 if self.adjusted_p >= SURE or low <= 0 <= high else (1 if self.difference.mean > 0 else -1)


def contrasts(stores: Mapping[str, Store], draws: int = DRAWS) -> list[Found]:
    """Every claim and control whose arms are there, in the mean over all factors from 2 on, then at each of them.

    Args:
        stores: the figures by the name of their faces.
        draws: bootstrap samples.

    Raises:
        DataError: no contrast has both of its arms, at a factor that all of their runs were measured at.
    """
    pairs = [
        (claim, data, runs[claim.method], runs[claim.reference], store.labels, factors)
        for data, store in stores.items()
        for runs in [store.runs()]
        for claim in (*CLAIMS, *CONTROLS)
        if claim.method in runs and claim.reference in runs
        if (factors := _complete(runs[claim.method]) & _complete(runs[claim.reference]))
    ]
    if not pairs:
        raise DataError("nothing to compare yet: no two arms of a claim were measured")
    means: list[tuple[Claim, str, float | None, Difference]] = []
    single: list[tuple[Claim, str, float | None, Difference]] = []
    for claim, data, first, second, labels, factors in pairs:
        rights = [[_right(one, factor, labels) for factor in sorted(factors)] for one in (first, second)]
        ours, theirs = (np.mean(each, axis=0) for each in rights)
        means.append((claim, data, None, difference(ours, theirs, draws=draws)))
        for factor, here, there in zip(sorted(factors), *rights, strict=True):
            single.append((claim, data, factor, difference(here, there, draws=draws)))
    return [
        Found(*item, p)
        for group in (means, single)
        for item, p in zip(group, holm([item[3].p for item in group]), strict=True)
    ]


def verdict(found: Sequence[Found]) -> Verdict:
    """What the means over the factors say of one claim: all of them, one for each data set, must be sure and of one sign."""
    signs = {one.sign for one in found if one.factor is None}
    if signs == {1}:
        return "shown"
    return "shown against" if signs == {-1} else "not shown"


def to_dict(stores: Mapping[str, Store], found: Sequence[Found]) -> dict[str, Any]:
    """Plain values, ready for JSON."""
    return {
        "faces": {name: asdict(store.subject) for name, store in stores.items()},
        "claims": [{**asdict(claim), "verdict": verdict(of(claim, found))} for claim in CLAIMS if of(claim, found)],
        "contrasts": [
            {
                "method": one.claim.method,
                "reference": one.claim.reference,
                "data": one.data,
                "factor": one.factor,
                **one.difference.to_dict(),
                "adjusted_p": one.adjusted_p,
            }
            for one in found
        ],
    }


def page(stores: Mapping[str, Store], found: Sequence[Found], command: str) -> str:
    """The page: a verdict for each claim, and the figures that it follows from."""
    seeds = {
        len(by_seed)
        for store in stores.values()
        for run in store.runs().values()
        for by_seed in run.probabilities.values()
    }
    parts = [
        "# Does feature super-resolution pay?",
        HOW,
        f"Runs of an arm: {', '.join(map(str, sorted(seeds)))}. Command: `{command}`.",
        _table(("claim", "arms", *(f"on {data}" for data in stores), "verdict"), [
            (
                claim.text,
                f"`{claim.method}` - `{claim.reference}`",
                *(verdict([one for one in of(claim, found) if one.data == data]) for data in stores),
                f"**{verdict(of(claim, found))}**",
            )
            for claim in CLAIMS if of(claim, found)
        ]),
        "## Differences in points\n\nWith 95% intervals; bold where sure.",
        *[_differences(data, found) for data in stores],
        "## Accuracy in percent\n\nMean of the runs.",
        *[_accuracies(data, store) for data, store in stores.items()],
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def of(claim: Claim, found: Sequence[Found]) -> list[Found]:
    """What was found of one claim."""
    return [one for one in found if one.claim == claim]


def _differences(data: str, found: Sequence[Found]) -> str:
    here = [one for one in found if one.data == data]
    factors = [None, *sorted({one.factor for one in here if one.factor is not None})]
    rows = []
    for claim in (*CLAIMS, *CONTROLS):
        cells = {one.factor: _points(one) for one in of(claim, here)}
        if cells:
            name = f"`{claim.method}` - `{claim.reference}`"
            rows.append((name, *(cells.get(factor, "") for factor in factors)))
    return f"### {data}\n\n" + _table(
        ("arms", *("mean" if factor is None else f"x{factor:g}" for factor in factors)), rows
    )


def _points(one: Found) -> str:
    low, high = (100 * bound for bound in one.difference.interval)
    mean = f"{100 * one.difference.mean:+.1f}"
    return f"{f'**{mean}**' if one.sign else mean} ({low:+.1f} to {high:+.1f})"


def _accuracies(data: str, store: Store) -> str:
    runs = store.runs()
    factors = sorted({factor for run in runs.values() for factor in run.probabilities})
    rows = []
    for run in runs.values():
        cells = [
            f"{100 * _right(run, factor, store.labels).mean():.1f}" if factor in run.probabilities else ""
            for factor in factors
        ]
        rows.append((run.title, *cells, "" if run.gflop is None else f"{run.gflop:.3f}"))
    return f"### {data}\n\n" + _table(("arm", *(f"x{factor:g}" for factor in factors), "GFLOP"), rows)


def _complete(runs: Runs) -> set[float]:
    """The factors of shrunk faces that every run of a method was measured at."""
    seeds = {seed for by_seed in runs.probabilities.values() for seed in by_seed}
    return {factor for factor, by_seed in runs.probabilities.items() if factor >= LEAST_FACTOR and {*by_seed} == seeds}


def _right(runs: Runs, factor: float, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.stack([run.argmax(1) == labels for run in runs.probabilities[factor].values()])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
