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


def soft_confusion(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Floats:
    """Soft confusion of calibration faces of one height.

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
    faces are few: for them the prior counts as one face in all (Perks, 1947), so that a few sure faces are believed.

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
