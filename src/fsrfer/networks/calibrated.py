"""What is exported: a compact network whose logits are divided by the temperature of each face's effective size."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from fsrfer.networks.ensemble import ExpressionNetwork

LOG_LIMIT = math.log(4.0)


class Calibrated(nn.Module):
    """A compact network, or several as one, with its calibration.

    The temperature is ``exp(c0 + c1 u + c2 u^2 + ...)`` with ``u = log2(effective height / size)``, smooth in the height,
    and kept within 1/4..4.

    Args:
        network: with its final weights.
        coefficients: c0, c1, ...

    Shape:
        - Input: N x C x S x S, values 0..255.
        - Output: logits, N x num_classes; and effective heights in pixels, N, within 1..S, where the network
          estimates them.
    """

    def __init__(self, network: ExpressionNetwork, coefficients: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.coefficients = (*coefficients, 0.0) if len(coefficients) == 1 else tuple(coefficients)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor] | Tensor:
        """Calibrated logits, and effective heights."""
        output = self.network.analyse(faces)
        log2_px = output.log2_px.clamp(0.0, math.log2(self.network.size))
        octaves = log2_px - math.log2(self.network.size)
        highest, *lower = reversed(self.coefficients)
        exponent = octaves * highest + lower[0]
        for coefficient in lower[1:]:
            exponent = exponent * octaves + coefficient
        logits = output.logits / exponent.clamp(-LOG_LIMIT, LOG_LIMIT).exp()[:, None]
        return logits if self.network.effective_size is None else (logits, 2.0**log2_px)
