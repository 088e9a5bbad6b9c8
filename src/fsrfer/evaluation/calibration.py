"""What a probability is worth: temperature scaling, and the threshold from which an answer is called certain."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

LogitViews = NDArray[np.floating]
"""Logits of several views of each face (such as the face and its mirror image): views x N x classes."""


def view_probabilities(logits: LogitViews, temperature: float) -> NDArray[np.float64]:
    """Mean over the views of ``softmax(logits / temperature)``; float64, N x classes."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    mean: NDArray[np.float64] = (powers / powers.sum(-1, keepdims=True)).mean(0)
    return mean


def fit_temperature(logits: LogitViews, labels: NDArray[np.int64]) -> float:
    """The temperature with the least negative log-likelihood (Guo et al., ICML 2017), to three digits, within 0.25..4."""
    candidates = np.round(np.geomspace(0.25, 4.0, 161), 3)
    rows = np.arange(len(labels))
    losses = [-np.log(view_probabilities(logits, t)[rows, labels].clip(1e-12)).mean() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def certain_threshold(
    probabilities: Mapping[float, NDArray[np.floating]], labels: NDArray[np.int64], precision: float = 0.85
) -> float:
    """The smallest probability from which answers are right at least ``precision`` of the time at every factor.

    Args:
        probabilities: N x classes for each factor.
        labels: int64, N.
        precision: the share of right answers that certain ones must reach.

    Returns:
        a multiple of 0.01 below 1, or 1.0 (nothing is ever certain) where none reaches it.
    """
    for threshold in np.arange(0.30, 1.0, 0.01).round(2):
        reached = (selective_accuracy(rows, labels, float(threshold)) for rows in probabilities.values())
        if all(accuracy is None or accuracy >= precision for accuracy, _ in reached):
            return float(threshold)
    return 1.0


def selective_accuracy(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], threshold: float
) -> tuple[float | None, float]:
    """Accuracy of the answers at or above a threshold (None without any), and their share of all answers."""
    certain = probabilities.max(1) >= threshold
    right = probabilities.argmax(1) == labels
    accuracy = float(right[certain].mean()) if certain.any() else None
    return accuracy, float(certain.mean())
