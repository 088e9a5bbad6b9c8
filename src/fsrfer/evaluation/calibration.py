"""What a probability is worth: calibration by effective size, and the threshold from which an answer is called certain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsrfer.types import Calibration

Floats = NDArray[np.float64]

DEGREE = 2
"""Of the polynomial that the logarithm of the temperature is in the octaves below full size."""

LOG_LIMIT = float(np.log(4.0))
"""No temperature is above 4 or below 1/4: a polynomial could leave all bounds beyond the sizes that it was fitted on."""

SPREAD = 0.5
"""How far from 0 weights and constants are expected (standard deviation): a few faces shall not make them extreme."""

PROMISE, AIM = 0.85, 0.88
"""Share of certain answers that are right at every size: what is said of a model, and what its rule is fitted for."""

ENOUGH_CERTAIN = 30
"""Certain answers by which a threshold can be judged."""


@dataclass(frozen=True, slots=True)
class Views:
    """Raw answers of M networks to several views of each of N faces (such as the face and its mirror image).

    Attributes:
        logits: views x N x M x classes, as the networks give them.
        octaves: views x N; base-2 logarithm of effective height over the network's input side, 0 or below.
    """

    logits: NDArray[np.floating]
    octaves: NDArray[np.floating]

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Views":
        return Views(self.logits[:, rows], self.octaves[:, rows])

    @classmethod
    def joined(cls, parts: Sequence["Views"]) -> "Views":
        """All faces of several."""
        return cls(
            np.concatenate([part.logits for part in parts], axis=1),
            np.concatenate([part.octaves for part in parts], axis=1),
        )


def temperatures(octaves: NDArray[np.floating], coefficients: Sequence[float]) -> Floats:
    """``exp(c0 + c1 u + c2 u^2 + ...)`` at each number of octaves u, within 1/4..4; as `fsrfer.networks.calibrated` has it.

    Example:
        >>> temperatures(np.array([0.0, -1.0]), (0.0, np.log(2.0))).tolist()
        [1.0, 0.5]
    """
    return np.asarray(np.exp(_exponents(octaves, coefficients).clip(-LOG_LIMIT, LOG_LIMIT)), np.float64)


def _exponents(octaves: NDArray[np.floating], coefficients: Sequence[float]) -> Floats:
    return np.asarray(
        np.polynomial.polynomial.polyval(octaves.astype(np.float64), np.asarray(coefficients)), np.float64
    )


def view_probabilities(views: Views, calibration: Calibration) -> Floats:
    """Mean over the views of ``softmax((weighted mean of logits + constants) / temperature)``; float64, N x classes."""
    mean = _mean_logits(views, _shares(views, calibration.weights)) + np.asarray(calibration.constants)
    probabilities: Floats = _softmax(mean / temperatures(views.octaves, calibration.temperature)[..., None]).mean(0)
    return probabilities


def fit_calibration(views: Mapping[float, Views], labels: NDArray[np.int64], degree: int = DEGREE) -> Calibration:
    """The calibration with the least negative log-likelihood (after Guo et al., ICML 2017, arXiv:1706.04599).

    Weights and constants are drawn towards 0 by a normal prior (`SPREAD`). A class that no label names keeps the constant 0.

    Args:
        views: of the same N faces at each factor.
        labels: int64, N.
        degree: of the temperature's polynomial; 0 for one temperature at every size.

    Returns:
        its numbers rounded to four places; a slope that the sizes do not tell (all alike) is 0.
    """
    from scipy.optimize import minimize

    joined, targets = Views.joined(list(views.values())), np.tile(labels, len(views))
    members, classes = joined.logits.shape[2:]
    named = np.bincount(labels, minlength=classes) > 0

    def loss(numbers: Floats) -> tuple[float, Floats]:
        calibration = _calibration(numbers, degree, members)
        value, slope = _negative_log_likelihood(joined, targets, calibration)
        slope[-classes:] *= named
        drawn = numbers.copy()
        drawn[: degree + 1] = 0
        return value + float(drawn @ drawn) / (2 * SPREAD**2 * len(labels)), slope + drawn / (SPREAD**2 * len(labels))

    start = np.zeros(degree + 1 + 2 * members + classes)
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-5})
    return _calibration(found.x.round(4), degree, members)


def _calibration(numbers: Floats, degree: int, members: int) -> Calibration:
    temperature, weights, constants = np.split(numbers, (degree + 1, degree + 1 + 2 * members))
    pairs = tuple((float(score), float(slope)) for score, slope in weights.reshape(2, members).T)
    return Calibration(tuple(temperature.tolist()), pairs, tuple(constants.tolist()))


def _negative_log_likelihood(views: Views, labels: NDArray[np.int64], calibration: Calibration) -> tuple[float, Floats]:
    """Its mean, and its slope in the temperature's coefficients, scores, slopes and constants."""
    faces = np.arange(len(labels))
    octaves, shares = views.octaves.astype(np.float64), _shares(views, calibration.weights)
    each = views.logits.astype(np.float64)
    cooled = 1 / temperatures(octaves, calibration.temperature)[..., None]
    scaled = (_mean_logits(views, shares) + np.asarray(calibration.constants)) * cooled
    answers = _softmax(scaled)
    right = answers.mean(0)[faces, labels].clip(1e-12)

    part = answers[:, faces, labels] / right / len(answers) / len(labels)
    by_scaled = answers * part[..., None]
    by_scaled[:, faces, labels] -= part
    free = np.abs(_exponents(octaves, calibration.temperature)) < LOG_LIMIT  # within the bounds of the temperature
    by_exponent = -(by_scaled * scaled).sum(-1) * free
    by_mean = by_scaled * cooled
    by_share = np.einsum("vnc,vnmc->vnm", by_mean, each)
    by_score = shares * (by_share - (shares * by_share).sum(-1, keepdims=True))
    parts = (
        np.array([(by_exponent * octaves**power).sum() for power in range(len(calibration.temperature))]),
        by_score.sum((0, 1)),
        (by_score * octaves[..., None]).sum((0, 1)),
        by_mean.sum((0, 1)),
    )
    return float(-np.log(right).mean()), np.concatenate(parts)


def _shares(views: Views, weights: Sequence[tuple[float, float]]) -> Floats:
    """What each network counts for: views x N x M, sums of 1."""
    scores, slopes = np.asarray(weights).T
    return _softmax(scores + slopes * views.octaves.astype(np.float64)[..., None])


def _mean_logits(views: Views, shares: Floats) -> Floats:
    mean: Floats = np.einsum("vnm,vnmc->vnc", shares, views.logits.astype(np.float64))
    return mean


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Floats = powers / powers.sum(-1, keepdims=True)
    return shares


def crossfitted(views: Mapping[float, Views], labels: NDArray[np.int64], degree: int = DEGREE) -> dict[float, Floats]:
    """Probabilities of each face calibrated on the other half of the faces: what calibration is worth on new ones.

    Args:
        views: of the same N faces at each factor.
        labels: int64, N.
        degree: as in `fit_calibration`.

    Returns:
        N x classes for each factor.
    """
    classes = next(iter(views.values())).logits.shape[-1]
    probabilities = {factor: np.empty((len(labels), classes)) for factor in views}
    odd = np.arange(len(labels)) % 2 == 1
    for half in (odd, ~odd):
        others = {factor: rows[~half] for factor, rows in views.items()}
        calibration = fit_calibration(others, labels[~half], degree)
        for factor, rows in views.items():
            probabilities[factor][half] = view_probabilities(rows[half], calibration)
    return probabilities


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
    size: int,
) -> Certainty:
    """The rule by which certain answers are right often enough at every factor, and the most factors have some.

    No certain answer is less probable than `PROMISE`: the sure ones must not carry along others of which the model itself
    promises less. Factors are left out from the largest on, until each of those kept has `ENOUGH_CERTAIN` certain answers
    to judge by; faces with less detail than the last factor kept leaves are never certain.

    Args:
        probabilities: N x classes for each factor.
        effective_px: N for each factor; the estimated heights.
        labels: int64, N.
        size: side in pixels that the factors count from.

    Returns:
        threshold 1.0 (nothing is ever certain) where no rule holds.
    """
    factors = sorted(probabilities)
    for count in range(len(factors), 0, -1):
        kept = {factor: probabilities[factor] for factor in factors[:count]}
        least = 0.0 if count == len(factors) else size / factors[count - 1]
        rule = Certainty(max(PROMISE, certain_threshold(kept, labels)), least)
        if all(rule.of(rows, effective_px[factor]).sum() >= ENOUGH_CERTAIN for factor, rows in kept.items()):
            return rule
    return Certainty(1.0)


def certain_threshold(
    probabilities: Mapping[float, NDArray[np.floating]], labels: NDArray[np.int64], precision: float = AIM
) -> float:
    """The smallest probability from which, and from any higher one, answers are right often enough at every factor.

    "Any higher one" keeps a lucky dip from being taken: it must hold at each higher threshold that still leaves
    `ENOUGH_CERTAIN` answers. With fewer there is nothing to judge by.

    Args:
        probabilities: N x classes for each factor.
        labels: int64, N.
        precision: the share of right answers that certain ones must reach, 0..1.

    Returns:
        a multiple of 0.01 below 1, or 1.0 (nothing is ever certain) where none reaches it.
    """
    lowest = 1.0
    for threshold in np.arange(0.99, 0.29, -0.01).round(2):
        if any(_too_often_wrong(rows, labels, float(threshold), precision) for rows in probabilities.values()):
            break
        lowest = float(threshold)
    return lowest


def _too_often_wrong(rows: NDArray[np.floating], labels: NDArray[np.int64], threshold: float, precision: float) -> bool:
    certain = rows.max(1) >= threshold
    right = (rows.argmax(1) == labels)[certain]
    return len(right) >= ENOUGH_CERTAIN and float(right.mean()) < precision


def selective_accuracy(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], certain: NDArray[np.bool_]
) -> tuple[float | None, float]:
    """Accuracy of the certain answers (None without any), and their share of all answers."""
    right = probabilities.argmax(1) == labels
    accuracy = float(right[certain].mean()) if certain.any() else None
    return accuracy, float(certain.mean())
