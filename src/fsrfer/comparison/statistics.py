"""What figures of several runs are worth: intervals over faces and seeds, and paired tests on the same faces.

Two things make a measured accuracy differ from the true one: the faces that happen to be in the test set, and the seed that
happened to be trained. One run knows only the first, and gets Wilson's interval (accuracy) or a bootstrap over faces. Several
runs get a bootstrap over both: seeds are drawn first, then faces, the same faces for every drawn seed. With two or three
seeds it still understates what seeds do, so their standard deviation stands beside it.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fsrfer.evaluation.metrics import wilson_interval

DRAWS = 2000
"""Bootstrap samples of every interval."""

BINS = 15
"""Of the calibration error, as in `fsrfer.evaluation.metrics.calibration_error`."""

Counts = NDArray[np.floating]
"""How often each face was drawn; samples x N, whole numbers."""

Statistic = Callable[[Counts], NDArray[np.floating]]
"""A figure of one run in each sample."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over all runs of a method.

    Attributes:
        mean: over the seeds.
        deviation: standard deviation over the seeds (n - 1), or None for a single one.
        interval: 95%, for other faces and other seeds of the same kind.
        seeds: number of runs.
    """

    mean: float
    deviation: float | None
    interval: tuple[float, float]
    seeds: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "interval": list(self.interval)}


@dataclass(frozen=True, slots=True)
class Difference:
    """One method's accuracy minus another's, on the same faces.

    Attributes:
        mean: first minus second, -1..1.
        interval: 95%.
        p: two-sided probability of so large a difference where there is none.
        test: ``"mcnemar"`` (exact) between two single runs, else ``"bootstrap"``.
    """

    mean: float
    interval: tuple[float, float]
    p: float
    test: Literal["mcnemar", "bootstrap"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "interval": list(self.interval)}


@dataclass(frozen=True, slots=True)
class Figures:
    """Accuracy, macro-F1 and expected calibration error of a method at one factor."""

    accuracy: Estimate
    macro_f1: Estimate
    calibration_error: Estimate


def figures(
    labels: NDArray[np.int64], runs: Sequence[NDArray[np.floating]], seed: int = 0, draws: int = DRAWS
) -> Figures:
    """The figures of one method at one factor.

    Args:
        labels: int64, N.
        runs: probabilities, N x classes, for each seed.
        seed: of the bootstrap.
        draws: its samples.

    Raises:
        ValueError: no runs, or shapes that do not fit.
    """
    if not runs or any(run.ndim != 2 or run.shape[:1] != labels.shape for run in runs) or len(labels) == 0:
        raise ValueError("need N labels and, for each of one or more seeds, N x classes probabilities")
    accuracy, macro_f1, calibration = zip(*(_statistics(labels, run) for run in runs), strict=True)
    estimates = [estimate(group, len(labels), seed, draws) for group in (accuracy, macro_f1, calibration)]
    if len(runs) == 1:
        right = int((runs[0].argmax(1) == labels).sum())
        estimates[0] = Estimate(estimates[0].mean, None, wilson_interval(right, len(labels)), 1)
    return Figures(*estimates)


def estimate(statistics: Sequence[Statistic], faces: int, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean over seeds of a statistic, with the percentile interval of the bootstrap over faces and seeds.

    Args:
        statistics: one for each seed.
        faces: N.
        seed: of the bootstrap.
        draws: its samples.
    """
    values = [float(statistic(np.ones((1, faces)))[0]) for statistic in statistics]
    resampled = np.stack([statistic(_face_counts(faces, seed, draws)) for statistic in statistics], axis=1)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    interval = _percentiles(_mean_of_drawn(resampled, np.random.default_rng(seed)))
    return Estimate(float(np.mean(values)), deviation, interval, len(values))


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """McNemar's exact test (Psychometrika 1947): two-sided p of two classifiers on the same faces.

    Only faces that one of them gets right and the other wrong tell them apart; without a difference each falls either way
    with probability 1/2.

    Args:
        first_right, second_right: bool, N.

    Example:
        >>> first, second = np.array([True] * 6 + [False]), np.array([False] * 6 + [True])
        >>> mcnemar(first, second)  # 2 (1 + 7) / 2^7
        0.125
    """
    first_only = int((first_right & ~second_right).sum())
    second_only = int((~first_right & second_right).sum())
    total = first_only + second_only
    tail, ways = 0, 1  # ways: total over wins, each from the one before, as math.comb is slow for thousands
    for wins in range(min(first_only, second_only) + 1):
        tail += ways
        ways = ways * (total - wins) // (wins + 1)
    return min(1.0, 2 * tail / (1 << total))


def difference(
    first: NDArray[np.bool_ | np.floating], second: NDArray[np.bool_ | np.floating], seed: int = 0, draws: int = DRAWS
) -> Difference:
    """Compare the accuracies of two methods on the same faces.

    The interval is a paired bootstrap: in each sample both methods answer the same drawn faces; their seeds are drawn apart.
    Where there are several runs, or shares, p is that of the difference over its bootstrap standard error, taken as normal.

    Args:
        first, second: seeds x N: whether each answer is right (bool), or the share of a face's answers that are (float, 0..1).
            The numbers of seeds may differ.
        seed: of the bootstrap.
        draws: its samples.

    Raises:
        ValueError: not the same faces.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"need seeds x N answers of the same faces, not {first.shape} and {second.shape}")
    rng = np.random.default_rng(seed)
    counts = _face_counts(first.shape[1], seed, draws)
    resampled = _mean_of_drawn(_shares(counts, first), rng) - _mean_of_drawn(_shares(counts, second), rng)
    mean = float(first.mean() - second.mean())
    if len(first) == len(second) == 1 and first.dtype == second.dtype == np.bool_:
        return Difference(mean, _percentiles(resampled), mcnemar(first[0], second[0]), "mcnemar")
    spread = float(resampled.std(ddof=1))
    p = math.erfc(abs(mean) / (spread * math.sqrt(2))) if spread > 0 else float(mean == 0)
    return Difference(mean, _percentiles(resampled), p, "bootstrap")


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being many (Holm, Scandinavian Journal of Statistics 1979), in the order given.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return adjusted


def _statistics(labels: NDArray[np.int64], run: NDArray[np.floating]) -> tuple[Statistic, Statistic, Statistic]:
    """The figures of `fsrfer.evaluation.metrics.score`, for faces that count several times or not at all."""
    classes, answers = run.shape[1], run.argmax(1)
    right, confidence = answers == labels, run.max(1).astype(np.float64)
    in_cell = np.eye(classes * classes, dtype=np.float32)[labels * classes + answers]
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gap_in_bin = np.eye(BINS, dtype=np.float32)[bins] * (right - confidence).astype(np.float32)[:, None]

    def accuracy(counts: Counts) -> NDArray[np.floating]:
        return _shares(counts, right[None])[:, 0]

    def macro_f1(counts: Counts) -> NDArray[np.floating]:
        confusion = (counts @ in_cell).reshape(-1, classes, classes)
        true, answered = confusion.sum(2), confusion.sum(1)
        occurring = true > 0
        f1 = 2 * np.diagonal(confusion, axis1=1, axis2=2) / np.maximum(1, true + answered)
        mean: NDArray[np.floating] = (f1 * occurring).sum(1) / occurring.sum(1)
        return mean

    def calibration_error(counts: Counts) -> NDArray[np.floating]:
        error: NDArray[np.floating] = np.abs(counts @ gap_in_bin).sum(1) / counts.sum(1)
        return error

    return accuracy, macro_f1, calibration_error


def _shares(counts: Counts, right: NDArray[np.bool_ | np.floating]) -> NDArray[np.floating]:
    """Accuracy of each run (columns) in each sample (rows)."""
    shares: NDArray[np.floating] = counts @ right.T.astype(counts.dtype) / counts.sum(1, keepdims=True)
    return shares


@functools.lru_cache(maxsize=1)
def _face_counts(faces: int, seed: int, draws: int) -> NDArray[np.float32]:
    """Bootstrap samples of the faces; the same for every method, so that what differs is the method."""
    rng = np.random.default_rng(seed)
    counts = np.empty((draws, faces), np.float32)
    for sample in counts:
        sample[:] = np.bincount(rng.integers(0, faces, faces), minlength=faces)
    return counts


def _mean_of_drawn(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """Mean over as many runs as there are (columns), drawn anew with replacement in each sample (row)."""
    drawn = np.take_along_axis(values, rng.integers(0, values.shape[1], values.shape), axis=1)
    mean: NDArray[np.floating] = drawn.mean(1)
    return mean


def _percentiles(values: NDArray[np.floating]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
