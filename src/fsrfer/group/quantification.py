"""How many of each class there are, from probabilities that are known to be confused in known ways.

Counting a classifier's answers does not count the classes: what it often confuses is over- or under-counted, the more so the
smaller the faces. This module knows no pictures, only probabilities (N x 7), the heights of the faces they belong to, and
the model's soft confusion at a few heights:

    confusion[t, k] = sum of the probabilities of class k over calibration faces of true class t,

a 7 x 7 matrix whose row sums count the calibration faces of each class and whose column sums are what the model says of
them in total.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Confusions = Mapping[float, Floats]
"""Soft confusion (see above) by face height in pixels."""

DRAWS = 600
"""Kept draws of the sampler; the ends of a 95% interval then vary by a few hundredths of its width."""

BURN_IN = 100

PRIOR_COUNTS = 0.5
"""Of each class in the prior for what unsure faces are (Jeffreys')."""


def confusion_at(confusions: Confusions, height: float) -> Floats:
    """Soft confusion at any height: linear in the logarithm of the height, constant beyond the measured ones.

    Raises:
        ValueError: there is none to start from.
    """
    if not confusions:
        raise ValueError("no confusion was measured")
    heights = sorted(confusions)
    above = int(np.searchsorted(heights, height))
    low, high = heights[max(above - 1, 0)], heights[min(above, len(heights) - 1)]
    share = 0.0 if low == high else (np.log(height) - np.log(low)) / (np.log(high) - np.log(low))
    return np.asarray((1 - share) * confusions[low] + share * confusions[high])


def expectation_maximisation(likelihoods: Floats, weights: Floats | None = None, steps: int = 1000) -> Floats:
    """The likeliest shares (Saerens, Latinne & Decaestecker, Neural Computation 14, 2002).

    Args:
        likelihoods: N x 7, up to a factor a row; see `likelihood`.
        weights: N, or None for equal ones.
    """
    classes = likelihoods.shape[1]
    shares: Floats = np.full(classes, 1.0 / classes)
    for _ in range(steps):
        responsible = likelihoods * shares
        responsible /= responsible.sum(axis=1, keepdims=True)
        following = np.average(responsible, axis=0, weights=weights)
        if np.abs(following - shares).max() < 1e-8:
            return following
        shares = following
    return shares


def likelihood(probabilities: NDArray[np.floating], priors: Floats) -> Floats:
    """How likely each face is under each class, up to a factor a face: its probabilities less what they owe to the prior.

    Args:
        probabilities: N x 7.
        priors: N x 7: shares of the classes that the model expects at each face's height.
    """
    ratios = probabilities.astype(np.float64).clip(1e-6) / np.maximum(priors, 1e-6)
    return np.asarray(ratios / ratios.sum(axis=1, keepdims=True))


def posterior_shares(
    likelihoods: Floats,
    counts: NDArray[np.int64],
    rng: np.random.Generator,
    prior_counts: float = PRIOR_COUNTS,
    draws: int = DRAWS,
) -> Floats:
    """Draws of these faces' shares from what their answers say.

    Gibbs sampling of a mixture with known components: classes of the faces given the shares, then shares given the
    classes (a Dirichlet distribution). The draws spread because faces are unsure; they know nothing of faces not seen.

    Args:
        likelihoods: N x 7, up to a factor a row.
        counts: N: how many faces each row stands for.
        rng: source of randomness.
        prior_counts: of the symmetric Dirichlet prior, a class.
        draws: how many to keep.

    Returns:
        float64, draws x 7; rows sum to 1.

    Raises:
        ValueError: there are no faces.
    """
    if not len(counts):
        raise ValueError("no faces, no shares")
    shares = expectation_maximisation(likelihoods, counts.astype(np.float64))
    kept = np.empty((draws, likelihoods.shape[1]))
    for index in range(-BURN_IN, draws):
        classes = _draw_classes(likelihoods * shares, counts, rng)
        shares = rng.dirichlet(classes + prior_counts)
        if index >= 0:
            kept[index] = classes / classes.sum()
    return kept


def design_effect(shares: Floats, faces: float, people: float, calibration_faces: Floats) -> float:
    """How many times larger the variance of the shares is than if the errors of all faces were independent.

    Kish (Survey Sampling, 1965). What the model makes of a class is known from finitely many calibration faces, n of
    them, so the errors on a group's faces of that class have something in common: with a correlation of 1 / n because the
    calibration faces are a sample, and once more because the group's own faces are one. Sightings of one person err alike.

    Args:
        shares: 7.
        faces: how many were counted.
        people: how many different people they are.
        calibration_faces: 7: of each class; infinitely many of a model that is known exactly.
    """
    common = 2.0 * float((shares**2 / np.maximum(calibration_faces, 1.0)).sum())
    return faces / people * (1.0 + people * common)


def _draw_classes(weights: Floats, counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of all faces are of each class, if each face's class is drawn with these weights (N x 7)."""
    if counts.max() > 1:
        return np.asarray(rng.multinomial(counts, weights / weights.sum(axis=1, keepdims=True)).sum(axis=0))
    # Faces one by one, as most are, are drawn ten times quicker by their cumulated weights.
    edges = weights.cumsum(axis=1)
    beyond = rng.random((len(weights), 1)) * edges[:, -1:] >= edges[:, :-1]
    return np.bincount(beyond.sum(axis=1), minlength=weights.shape[1])
