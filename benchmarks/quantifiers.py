"""Other ways to estimate the shares of a group, which benchmarks/quantification.py compares fsrfer's own with."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rates(confusion: Floats) -> Floats:
    """Row-normalised: the mean probability that faces of each true class are given for each class.

    A class without calibration faces is taken to be recognised as an average one is.
    """
    counts = confusion.sum(axis=1, keepdims=True)
    typical = np.trace(confusion) / max(counts.sum(), 1e-12)
    classes = len(confusion)
    unknown = np.full((classes, classes), (1 - typical) / (classes - 1))
    np.fill_diagonal(unknown, typical)
    return np.where(counts > 0, confusion / np.maximum(counts, 1e-12), unknown)


def classify_and_count(probabilities: NDArray[np.floating], weights: Floats | None = None) -> Floats:
    """Share of each class among the likeliest answers (the usual, uncorrected way)."""
    answers = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    return np.average(answers, axis=0, weights=weights)


def mean_probability(probabilities: NDArray[np.floating], weights: Floats | None = None) -> Floats:
    """Mean probability of each class ("probabilistic classify and count", Bella et al., ICDM 2010)."""
    return np.average(probabilities.astype(np.float64), axis=0, weights=weights)


def adjusted_count(answers: NDArray[np.floating], rates_of: Floats, weights: Floats | None = None) -> Floats:
    """Shares whose expected answers are closest to those seen: the confusion inverted within the simplex.

    With likeliest answers this is the adjusted count of Forman (DMKD 2008), with probabilities that of Bella et al.

    Args:
        answers: N x 7 probabilities, or ones and zeros for the likeliest class.
        rates_of: N x 7 x 7: for each answer, the `rates` at its face's height.
        weights: N, or None for equal ones.
    """
    weighted = rates_of * (np.ones(len(answers)) if weights is None else weights)[:, None, None]
    quadratic = np.einsum("nik,njk->ij", weighted, rates_of)
    linear = np.einsum("nik,nk->i", weighted, answers)
    return least_squares_on_simplex(quadratic, linear)


def least_squares_on_simplex(quadratic: Floats, linear: Floats, steps: int = 2000) -> Floats:
    """The shares x that minimise ``x Q x / 2 - b x``: accelerated projected gradient (Beck & Teboulle, 2009)."""
    classes = len(linear)
    step = 1.0 / max(float(np.linalg.eigvalsh(quadratic)[-1]), 1e-12)
    shares = ahead = np.full(classes, 1.0 / classes)
    momentum = 1.0
    for _ in range(steps):
        following = onto_simplex(ahead - step * (quadratic @ ahead - linear))
        momentum, before = (1 + np.sqrt(1 + 4 * momentum**2)) / 2, momentum
        ahead = following + (before - 1) / momentum * (following - shares)
        if np.abs(following - shares).max() < 1e-10:
            return following
        shares = following
    return shares


def onto_simplex(values: Floats) -> Floats:
    """The nearest shares: none below 0, all together 1 (Duchi et al., ICML 2008).

    Example:
        >>> onto_simplex(np.array([0.8, 0.8, -1.0])).tolist()
        [0.5, 0.5, 0.0]
    """
    ordered = np.sort(values)[::-1]
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(values) + 1)
    last = int(np.flatnonzero(ordered > excess)[-1])
    return np.asarray(np.maximum(values - excess[last], 0.0))
