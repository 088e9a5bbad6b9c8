"""Figures of merit of a classifier, from labels and probabilities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.labels import EXPRESSIONS, by_name

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Scores:
    """What one set of predictions amounts to.

    Attributes:
        faces: number of faces.
        accuracy: share of right answers, 0..1.
        interval: its 95% interval (Wilson, JASA 1927).
        macro_f1: mean F1 of the classes that occur among the labels.
        recall, precision, f1: float64, one a class (NaN where undefined).
        confusion: int64, classes x classes; rows are labels, columns answers.
        calibration_error: expected calibration error over 15 equal-width bins, 0..1.
    """

    faces: int
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    f1: NDArray[np.float64]
    confusion: NDArray[np.int64]
    calibration_error: float

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, ready for JSON (undefined ones are None)."""
        return {
            "faces": self.faces,
            "accuracy": self.accuracy,
            "interval_95": list(self.interval),
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            "recall": _named(self.recall),
            "precision": _named(self.precision),
            "f1": _named(self.f1),
            "confusion": {
                "labels": list(EXPRESSIONS),
                "rows_true_columns_predicted": self.confusion.tolist(),
            },
        }


def score(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> Scores:
    """Measure predictions.

    Args:
        labels: int64, N, indices into the classes.
        probabilities: N x classes, rows that sum to 1.

    Raises:
        ValueError: no faces, or shapes that do not fit.
    """
    if len(labels) == 0 or probabilities.shape[:1] != labels.shape or probabilities.ndim != 2:
        raise ValueError(f"need N labels and N x classes probabilities, not {labels.shape} and {probabilities.shape}")
    classes = probabilities.shape[1]
    answers = probabilities.argmax(1)
    confusion = np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes)
    right = np.diag(confusion).astype(np.float64)
    recall, precision = _ratio(right, confusion.sum(1)), _ratio(right, confusion.sum(0))
    f1 = _ratio(2 * right, confusion.sum(0) + confusion.sum(1))
    occurring = confusion.sum(1) > 0
    return Scores(
        faces=len(labels),
        accuracy=float(right.sum() / len(labels)),
        interval=wilson_interval(int(right.sum()), len(labels)),
        macro_f1=float(f1[occurring].mean()),
        recall=recall,
        precision=precision,
        f1=f1,
        confusion=confusion,
        calibration_error=calibration_error(labels, probabilities),
    )


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's interval for a proportion.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if trials == 0:
        return (0.0, 1.0)
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * float(np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials)))
    return (max(0.0, centre - half), min(1.0, centre + half))


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.floating], bins: int = 15) -> float:
    """Expected calibration error of the winning class (Guo et al., ICML 2017): equal-width bins, weighted by their counts."""
    confidence, right = probabilities.max(1).astype(np.float64), probabilities.argmax(1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def calibration_error_by_chance(
    probabilities: NDArray[np.floating], draws: int = 200, seed: int = 0
) -> tuple[float, float]:
    """The `calibration_error` of probabilities that are perfectly honest, on as many faces.

    With few faces no bin is as often right as it says, so the error has a floor above 0. Labels are drawn from the
    probabilities themselves.

    Args:
        probabilities: N x classes, rows that sum to 1.
        draws: of all labels.
        seed: of the draws.

    Returns:
        its mean, and what it stays below in 95 of 100 draws, 0..1.

    Example:
        >>> calibration_error_by_chance(np.eye(3))  # certain answers, of which none is ever wrong
        (0.0, 0.0)
    """
    rng, below = np.random.default_rng(seed), probabilities.cumsum(1)
    last = probabilities.shape[1] - 1
    errors = []
    for _ in range(draws):
        labels = (rng.random((len(below), 1)) >= below).sum(1).clip(max=last)
        errors.append(calibration_error(labels, probabilities))
    return float(np.mean(errors)), float(np.percentile(errors, 95))


def soft_confusion(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Soft confusion of calibration faces of one height: what `fsrfer.group.quantification` corrects groups by.

    Args:
        probabilities: N x 7; rows sum to 1.
        labels: int64, N.

    Returns:
        float64, 7 x 7; row t is the sum of the probabilities of faces labelled t.

    Example:
        >>> soft_confusion(np.array([[0.75, 0.25], [1.0, 0.0]]), np.array([0, 1])).tolist()
        [[0.75, 0.25], [1.0, 0.0]]
    """
    classes = probabilities.shape[1]
    sums = np.zeros((classes, classes))
    np.add.at(sums, labels, probabilities.astype(np.float64))
    return sums


def _ratio(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio


def _named(values: NDArray[np.float64]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in by_name(values).items()}
