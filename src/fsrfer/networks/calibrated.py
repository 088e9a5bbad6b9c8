"""How raw logits become honest ones by each face's effective size: one formula, to fit and to export."""

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from fsrfer.types import Calibration

LOG_LIMIT = math.log(4.0)
"""No temperature is above 4 or below 1/4: a polynomial could leave all bounds beyond the sizes that it was fitted on."""


def temperatures(octaves: Tensor, coefficients: Tensor) -> Tensor:
    """``exp(c0 + c1 u + c2 u^2 + ...)`` at each number of octaves u, within 1/4..4.

    Example:
        >>> temperatures(torch.tensor([0.0, -1.0]), torch.tensor([0.0, math.log(2.0)]))
        tensor([1.0000, 0.5000])
    """
    exponents = torch.zeros_like(octaves)
    for coefficient in reversed(coefficients.unbind()):
        exponents = exponents * octaves + coefficient
    return exponents.clamp(-LOG_LIMIT, LOG_LIMIT).exp()


def calibrated_logits(each: Tensor, octaves: Tensor, temperature: Tensor, weights: Tensor, constants: Tensor) -> Tensor:
    """``(weighted mean of M networks' logits + constants) / temperature``, weights and temperature by effective size.

    Args:
        each: ... x M x num_classes, the logits of each network.
        octaves: ..., how far the effective size is above full size in octaves, 0 or below.
        temperature: the coefficients of `temperatures`, in ascending order.
        weights: M x 2, pairs (a, b); the networks count by ``softmax(a + b u)``.
        constants: num_classes, added to the logits before they are divided.

    Returns:
        ... x num_classes.

    Example:
        >>> each = torch.tensor([[[0.0, 1.0], [0.0, 4.0]]])
        >>> temperature, weights = torch.tensor([math.log(2.0)]), torch.zeros(2, 2)
        >>> calibrated_logits(each, torch.tensor([-1.0]), temperature, weights, torch.tensor([0.0, 0.5]))
        tensor([[0.0000, 1.5000]])
    """
    scores, slopes = weights.unbind(1)
    shares = (scores + slopes * octaves[..., None]).softmax(-1)
    mean = (each * shares[..., None]).sum(-2)
    return (mean + constants) / temperatures(octaves, temperature)[..., None]


class RawAnswers(Protocol):
    """What M networks say of N faces: logits ``each``, N x M x num_classes, and N ``log2_px``, of heights in pixels."""

    @property
    def each(self) -> Tensor: ...  # noqa: D102
    @property
    def log2_px(self) -> Tensor: ...  # noqa: D102


class RawNetwork(Protocol):
    """What can be calibrated and exported: a module that answers for one network or several."""

    @property
    def size(self) -> int:
        """Side of the faces in pixels."""

    @property
    def effective_size(self) -> nn.Module | None:
        """What estimates the effective size, if anything does."""

    def analyse(self, faces: Tensor) -> RawAnswers:
        """Logits and effective sizes of a batch of faces."""

    def eval(self) -> object:
        """As `torch.nn.Module.eval`."""

    def modules(self) -> Iterator[nn.Module]:
        """As `torch.nn.Module.modules`."""


class Calibrated(nn.Module):
    """What is exported: a network, or several as one, with its calibration.

    Args:
        network: with its final weights.
        calibration: `fsrfer.export.calibration` fits it.

    Shape:
        - Input: N x C x S x S, values 0..255.
        - Output: logits, N x num_classes; and effective heights in pixels, N, within 1..S, where the network
          estimates them.
    """

    temperature: Tensor
    weights: Tensor
    constants: Tensor

    def __init__(self, network: RawNetwork, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        for name in ("temperature", "weights", "constants"):
            self.register_buffer(name, torch.tensor(getattr(calibration, name)))

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor] | Tensor:
        """Calibrated logits, and effective heights."""
        output, full = self.network.analyse(faces), math.log2(self.network.size)
        log2_px = output.log2_px.clamp(0.0, full)
        logits = calibrated_logits(output.each, log2_px - full, self.temperature, self.weights, self.constants)
        return logits if self.network.effective_size is None else (logits, 2.0**log2_px)
