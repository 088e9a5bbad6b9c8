"""What is exported: a compact network, or several, whose logits become probabilities by each face's effective size."""

import math

import torch
from torch import Tensor, nn

from fsrfer.networks.ensemble import SizedNetwork
from fsrfer.types import Calibration

LOG_LIMIT = math.log(4.0)


class Calibrated(nn.Module):
    """A compact network, or several as one, with its calibration.

    Args:
        network: with its final weights.
        calibration: in octaves ``u = log2(effective height / size)``; `fsrfer.evaluation.calibration` fits it.

    Shape:
        - Input: N x C x S x S, values 0..255.
        - Output: logits, N x num_classes; and effective heights in pixels, N, within 1..S, where the network
          estimates them.
    """

    scores: Tensor
    slopes: Tensor
    constants: Tensor

    def __init__(self, network: SizedNetwork, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        coefficients = calibration.temperature
        self.coefficients = (*coefficients, 0.0) if len(coefficients) == 1 else coefficients
        scores, slopes = torch.tensor(calibration.weights).T
        self.register_buffer("scores", scores.contiguous())
        self.register_buffer("slopes", slopes.contiguous())
        self.register_buffer("constants", torch.tensor(calibration.constants))

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor] | Tensor:
        """Calibrated logits, and effective heights."""
        output = self.network.analyse(faces)
        log2_px = output.log2_px.clamp(0.0, math.log2(self.network.size))
        octaves = (log2_px - math.log2(self.network.size))[:, None]
        raw = output.logits
        if len(self.scores) > 1:
            shares = (self.scores + self.slopes * octaves).softmax(1)
            raw = (output.each * shares[..., None]).sum(1)
        logits = (raw + self.constants) / self._log_temperature(octaves).clamp(-LOG_LIMIT, LOG_LIMIT).exp()
        return logits if self.network.effective_size is None else (logits, 2.0**log2_px)

    def _log_temperature(self, octaves: Tensor) -> Tensor:
        highest, *lower = reversed(self.coefficients)
        exponent = octaves * highest + lower[0]
        for coefficient in lower[1:]:
            exponent = exponent * octaves + coefficient
        return exponent
