"""Fitting how raw logits become probabilities, on validation faces (after Guo et al., ICML 2017, arXiv:1706.04599)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from fsrfer.networks.calibrated import calibrated_logits
from fsrfer.types import Calibration

DEGREE = 2
"""Of the polynomial that the logarithm of the temperature is in the octaves below full size."""

SPREAD = 0.5
"""How far from 0 weights and constants are expected (standard deviation): a few faces shall not make them extreme."""


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

    @property
    def first(self) -> "Views":
        """The first view of each face alone."""
        return Views(self.logits[:1], self.octaves[:1])

    @classmethod
    def joined(cls, parts: Iterable["Views"]) -> "Views":
        """All faces of several."""
        logits, octaves = zip(*((part.logits, part.octaves) for part in parts), strict=True)
        return cls(np.concatenate(logits, axis=1), np.concatenate(octaves, axis=1))

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Logits and octaves in double precision."""
        return torch.from_numpy(self.logits).double(), torch.from_numpy(self.octaves).double()


def view_probabilities(views: Views, calibration: Calibration) -> NDArray[np.float64]:
    """Mean over the views of the softmax of `calibrated_logits`; N x classes."""
    numbers = (calibration.temperature, calibration.weights, calibration.constants)
    parameters = (torch.tensor(part, dtype=torch.float64) for part in numbers)
    probabilities: NDArray[np.float64] = _log_probabilities(*views.tensors(), *parameters).exp().numpy()
    return probabilities


def _log_probabilities(
    each: Tensor, octaves: Tensor, temperature: Tensor, weights: Tensor, constants: Tensor
) -> Tensor:
    logits = calibrated_logits(each, octaves, temperature, weights, constants)
    return logits.log_softmax(-1).logsumexp(0) - math.log(len(logits))


def fit_calibration(views: Mapping[float, Views], labels: NDArray[np.int64], degree: int = DEGREE) -> Calibration:
    """The calibration with the least negative log-likelihood.

    Weights and constants are drawn towards 0 by a normal prior (`SPREAD`). A class that no label names keeps the constant 0.

    Args:
        views: of the same N faces at each factor.
        labels: int64, N.
        degree: of the temperature's polynomial; 0 for one temperature at every size.

    Returns:
        its numbers rounded to four places; a slope that the sizes do not tell (all alike) is 0.
    """
    each, octaves = Views.joined(views.values()).tensors()
    targets = torch.from_numpy(labels).repeat(len(views))
    members, classes = each.shape[2:]
    named = targets.bincount(minlength=classes) > 0
    lengths = [degree + 1, 2 * members, classes]

    def parts(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        temperature, weights, constants = torch.split(numbers, lengths)
        return temperature, weights.view(members, 2), constants

    def loss_and_slope(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        numbers = torch.tensor(values, requires_grad=True)
        temperature, weights, constants = parts(numbers)
        likelihood = F.nll_loss(_log_probabilities(each, octaves, temperature, weights, constants * named), targets)
        prior = (weights.square().sum() + constants.square().sum()) / (2 * SPREAD**2 * len(labels))
        loss = likelihood + prior
        (slope,) = torch.autograd.grad(loss, numbers)
        return loss.item(), slope.numpy()

    # torch's own LBFGS sometimes stays where the temperature meets its bounds.
    found = minimize(loss_and_slope, np.zeros(sum(lengths)), jac=True, method="BFGS", options={"gtol": 1e-5})
    temperature, weights, constants = (part.tolist() for part in parts(torch.from_numpy(found.x.round(4))))
    return Calibration(tuple(temperature), tuple((score, slope) for score, slope in weights), tuple(constants))


def crossfitted(
    views: Mapping[float, Views], labels: NDArray[np.int64], degree: int = DEGREE
) -> dict[float, NDArray[np.float64]]:
    """Probabilities of each face calibrated on the other half of the faces: what calibration is worth on new ones.

    Args:
        views: of the same N faces at each factor.
        labels: int64, N.
        degree: as in `fit_calibration`.

    Returns:
        N x classes for each factor.
    """
    odd = np.arange(len(labels)) % 2 == 1
    probabilities = {factor: np.empty((len(labels), rows.logits.shape[-1])) for factor, rows in views.items()}
    for half in (odd, ~odd):
        others = {factor: rows[~half] for factor, rows in views.items()}
        calibration = fit_calibration(others, labels[~half], degree)
        for factor, rows in views.items():
            probabilities[factor][half] = view_probabilities(rows[half], calibration)
    return probabilities
