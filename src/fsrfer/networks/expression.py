"""What every network that tells expressions offers: logits for training and use, and what else it makes of a face."""

from typing import Protocol

from torch import Tensor, nn


class ExpressionOutput(Protocol):
    """What a network makes of N faces."""

    @property
    def logits(self) -> Tensor:
        """N x num_classes."""

    @property
    def log2_px(self) -> Tensor | None:
        """N, base-2 logarithm of the estimated effective height in pixels; None where it is not estimated."""


class ExpressionNetwork(nn.Module):
    """A network from faces to logits; `forward` is for whom the logits are enough.

    Shape:
        - Input: N x C x S x S, values 0..255.
        - Output: logits, N x num_classes.
    """

    def analyse(self, faces: Tensor) -> ExpressionOutput:
        """All that the network makes of a batch of faces."""
        raise NotImplementedError

    def forward(self, faces: Tensor) -> Tensor:
        """Logits of a batch of faces."""
        return self.analyse(faces).logits
