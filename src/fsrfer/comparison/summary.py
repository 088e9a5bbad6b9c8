"""Every number of a benchmark's report, from the probabilities it stored."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.comparison.statistics import DRAWS, Difference, Estimate, Figures, difference, figures, holm
from fsrfer.comparison.store import Runs, Store, Subject
from fsrfer.errors import DataError
from fsrfer.evaluation.metrics import wilson_interval
from fsrfer.labels import EXPRESSIONS
from fsrfer.types import FloatArray
from fsrfer.version import __version__


@dataclass(frozen=True, slots=True)
class Cell:
    """One method at one factor.

    Attributes:
        height: median height in pixels that the shrunk faces have.
        figures: over all seeds.
        confusion: int64, classes x classes, summed over the seeds; rows are labels, columns answers.
        confidence: float32, the highest probability of each answer, all seeds after one another.
        right: bool, whether that answer is right, in the same order.
    """

    height: float
    figures: Figures
    confusion: NDArray[np.int64]
    confidence: FloatArray
    right: NDArray[np.bool_]

    @property
    def recall(self) -> dict[str, tuple[float, tuple[float, float]] | None]:
        """Recall of each class over all seeds, with Wilson's interval for the faces of one run; None without faces."""
        seeds = self.figures.accuracy.seeds
        shares: dict[str, tuple[float, tuple[float, float]] | None] = {}
        for index, name in enumerate(EXPRESSIONS):
            faces = int(self.confusion[index].sum()) // seeds
            share = float(self.confusion[index, index] / max(1, self.confusion[index].sum()))
            shares[name] = (share, wilson_interval(round(share * faces), faces)) if faces else None
        return shares

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "height_px": self.height,
            "accuracy": self.figures.accuracy.to_dict(),
            "macro_f1": self.figures.macro_f1.to_dict(),
            "calibration_error": self.figures.calibration_error.to_dict(),
            "recall": {
                name: None if value is None else {"mean": value[0], "interval": list(value[1])}
                for name, value in self.recall.items()
            },
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True, slots=True)
class Rival:
    """One method with its figures by factor; see `fsrfer.comparison.measure.Method` for the rest."""

    name: str
    title: str
    gflop: float | None
    milliseconds: float | None
    cells: Mapping[float, Cell]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "title": self.title,
            "gflop": self.gflop,
            "ms_per_face": self.milliseconds,
            "factors": {f"x{factor:g}": cell.to_dict() for factor, cell in self.cells.items()},
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method against the reference at one factor; ``adjusted_p`` is Holm's over all comparisons of the report."""

    method: str
    factor: float
    difference: Difference
    adjusted_p: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "method": self.method,
            "factor": self.factor,
            **self.difference.to_dict(),
            "adjusted_p": self.adjusted_p,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole benchmark.

    Attributes:
        subject: the faces.
        class_counts: how many of them have each label.
        reference: name of the method that the others are compared with.
        rivals: in the order of the report.
        comparisons: of every other method with the reference, at the factors both were measured at.
    """

    subject: Subject
    class_counts: Mapping[str, int]
    reference: str
    rivals: tuple[Rival, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def factors(self) -> list[float]:
        """All factors at which anything was measured."""
        return sorted({factor for rival in self.rivals for factor in rival.cells})

    def title(self, name: str) -> str:
        """What readers call a method."""
        return next(rival.title for rival in self.rivals if rival.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "faces": {**asdict(self.subject), "class_counts": dict(self.class_counts)},
            "versions": versions(),
            "bootstrap_draws": DRAWS,
            "labels": list(EXPRESSIONS),
            "reference": self.reference,
            "methods": {rival.name: rival.to_dict() for rival in self.rivals},
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
        }


def summarise(
    store: Store,
    reference: str,
    methods: Sequence[str] | None = None,
    track: Callable[[Iterable[str]], Iterable[str]] = iter,
    draws: int = DRAWS,
) -> Summary:
    """All figures of a store.

    Args:
        store: of the benchmark.
        reference: the method that the others are compared with.
        methods: which, in the order of the report; by default all, the most accurate (mean over its factors) first.
        track: wraps the names of the methods, to show progress.
        draws: bootstrap samples.

    Raises:
        DataError: a method was not measured, or figures do not belong together.
    """
    runs = store.runs()
    chosen = list(runs) if methods is None else list(methods)
    if unknown := [name for name in (reference, *chosen) if name not in runs]:
        raise DataError(f"{store.folder}: {unknown[0]} was not measured here; measured: {', '.join(runs) or 'nothing'}")
    rivals = [_rival(runs[name], store, draws) for name in track(chosen)]
    if methods is None:
        rivals.sort(key=lambda rival: -float(np.mean([cell.figures.accuracy.mean for cell in rival.cells.values()])))
    compared = [
        (
            rival.name,
            factor,
            difference(_right(runs[rival.name], factor, store), _right(runs[reference], factor, store), draws=draws),
        )
        for rival in rivals
        for factor in rival.cells
        if rival.name != reference and factor in runs[reference].probabilities
    ]
    adjusted = holm([found.p for _, _, found in compared])
    counts = np.bincount(store.labels, minlength=len(EXPRESSIONS))
    return Summary(
        subject=store.subject,
        class_counts=dict(zip(EXPRESSIONS, counts.tolist(), strict=True)),
        reference=reference,
        rivals=tuple(rivals),
        comparisons=tuple(Comparison(*item, p) for item, p in zip(compared, adjusted, strict=True)),
    )


def versions() -> dict[str, str]:
    """What the figures were worked out with."""
    return {"fsrfer": __version__, "numpy": np.__version__, "python": platform.python_version()}


def in_percent(value: Estimate) -> str:
    """An estimate with its interval, such as ``73.8 (72.3 to 75.2)``."""
    low, high = value.interval
    return f"{100 * value.mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _rival(runs: Runs, store: Store, draws: int) -> Rival:
    cells = {
        factor: _cell(list(by_seed.values()), factor, store, draws) for factor, by_seed in runs.probabilities.items()
    }
    return Rival(runs.name, runs.title, runs.gflop, runs.milliseconds, cells)


def _cell(probabilities: Sequence[FloatArray], factor: float, store: Store, draws: int) -> Cell:
    classes = len(EXPRESSIONS)
    answers = np.concatenate([run.argmax(1) for run in probabilities])
    labels = np.tile(store.labels, len(probabilities))
    return Cell(
        height=store.subject.height / factor,
        figures=figures(store.labels, probabilities, draws=draws),
        confusion=np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes),
        confidence=np.concatenate([run.max(1) for run in probabilities]),
        right=answers == labels,
    )


def _right(runs: Runs, factor: float, store: Store) -> NDArray[np.bool_]:
    return np.stack([run.argmax(1) == store.labels for run in runs.probabilities[factor].values()])
