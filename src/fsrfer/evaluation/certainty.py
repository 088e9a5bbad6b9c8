"""The threshold from which an answer is called certain, and what certain answers are worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PROMISE, AIM = 0.85, 0.88
"""Share of certain answers that are right at every size: what is said of a model, and what its rule is fitted for."""

ENOUGH_CERTAIN = 30
"""Certain answers by which a threshold can be judged."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """When an answer is called certain.

    Attributes:
        threshold: the smallest probability, 0..1.
        least_px: the smallest effective height in pixels.
    """

    threshold: float
    least_px: float = 0.0

    def of(self, probabilities: NDArray[np.floating], effective_px: NDArray[np.floating] | float) -> NDArray[np.bool_]:
        """Which of N answers are certain."""
        return np.asarray((probabilities.max(1) >= self.threshold) & (effective_px >= self.least_px))


def fit_certainty(
    probabilities: Mapping[float, NDArray[np.floating]],
    effective_px: Mapping[float, NDArray[np.floating]],
    labels: NDArray[np.int64],
    left_px: Mapping[float, float],
) -> Certainty:
    """The rule by which certain answers are right often enough at every factor, and the most factors have some.

    No certain answer is less probable than `PROMISE`: the most probable ones must not carry along others of which the model
    itself promises less. Factors are left out from the largest on, until each of those kept has `ENOUGH_CERTAIN` certain
    answers to judge by; faces with less detail than the last factor kept leaves are never certain.

    Args:
        probabilities: N x classes for each factor.
        effective_px: N for each factor; the estimated heights.
        labels: int64, N.
        left_px: at each factor, the height of the faces in pixels of detail; no more than the network's input has.

    Returns:
        threshold 1.0 (nothing is ever certain) where no rule holds.
    """
    factors = sorted(probabilities)
    for count in range(len(factors), 0, -1):
        kept = {factor: probabilities[factor] for factor in factors[:count]}
        least = 0.0 if count == len(factors) else left_px[factors[count - 1]]
        rule = Certainty(max(PROMISE, certain_threshold(kept, labels)), least)
        if all(rule.of(rows, effective_px[factor]).sum() >= ENOUGH_CERTAIN for factor, rows in kept.items()):
            return rule
    return Certainty(1.0)


def certain_threshold(probabilities: Mapping[float, NDArray[np.floating]], labels: NDArray[np.int64]) -> float:
    """The smallest probability from which, and from any higher one, answers are right often enough (`AIM`) at every factor.

    "Any higher one" keeps a lucky dip from being taken: it must hold at each higher threshold that still leaves
    `ENOUGH_CERTAIN` answers. With fewer there is nothing to judge by.

    Args:
        probabilities: N x classes for each factor.
        labels: int64, N.

    Returns:
        a multiple of 0.01 below 1, or 1.0 (nothing is ever certain) where none reaches it.
    """
    lowest = 1.0
    for threshold in np.arange(0.99, 0.29, -0.01).round(2):
        if any(_too_often_wrong(rows, labels, float(threshold)) for rows in probabilities.values()):
            break
        lowest = float(threshold)
    return lowest


def _too_often_wrong(rows: NDArray[np.floating], labels: NDArray[np.int64], threshold: float) -> bool:
    certain = rows.max(1) >= threshold
    right = (rows.argmax(1) == labels)[certain]
    return len(right) >= ENOUGH_CERTAIN and float(right.mean()) < AIM


def selective_accuracy(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], certain: NDArray[np.bool_]
) -> tuple[float | None, float]:
    """Accuracy of the certain answers (None without any), and their share of all answers."""
    right = probabilities.argmax(1) == labels
    accuracy = float(right[certain].mean()) if certain.any() else None
    return accuracy, float(certain.mean())
