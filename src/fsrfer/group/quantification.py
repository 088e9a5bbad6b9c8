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
    counts: Floats,
    rng: np.random.Generator,
    prior_counts: float = PRIOR_COUNTS,
    draws: int = DRAWS,
) -> tuple[Floats, Floats]:
    """Draws from what the faces say about the shares: their own, and those in the crowd that they stand for.

    Gibbs sampling of a mixture with known components: classes of the faces given the shares, then shares given the
    classes (a Dirichlet distribution). The first draws spread because each face is unsure, the second ones also because
    faces are few: for them the prior counts as one face in all (Perks, 1947), so that a few confident faces are believed.

    Args:
        likelihoods: N x 7, up to a factor a row.
        counts: N: how many faces each row stands for; of a fraction, that share of the draws takes one face more.
        rng: source of randomness.
        prior_counts: of the symmetric Dirichlet prior, a class.
        draws: how many to keep.

    Returns:
        two float64 arrays, draws x 7, whose rows sum to 1: shares of these faces, and of the crowd.

    Raises:
        ValueError: there are no faces.
    """
    if not len(counts):
        raise ValueError("no faces, no shares")
    shares = expectation_maximisation(likelihoods, counts)
    of_faces, of_crowd = np.empty((2, draws, likelihoods.shape[1]))
    for index in range(-BURN_IN, draws):
        responsible = likelihoods * shares
        responsible /= responsible.sum(axis=1, keepdims=True)
        drawn = rng.multinomial(_whole(counts, rng), responsible).sum(axis=0)
        shares = rng.dirichlet(drawn + prior_counts)
        if index >= 0:
            of_faces[index], of_crowd[index] = drawn / drawn.sum(), rng.dirichlet(drawn + 1 / len(drawn))
    return of_faces, of_crowd


def _whole(counts: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Counts rounded up or down by chance, so that their mean is kept; never none at all."""
    whole = np.floor(counts + rng.random(len(counts))).astype(np.int64)
    if not whole.any():
        whole[rng.integers(len(whole))] = 1
    return whole
