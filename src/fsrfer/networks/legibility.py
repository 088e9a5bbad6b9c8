"""Whether anything can be told from a face: a network that costs a thirtieth of the smallest recogniser of expressions."""

from torch import Tensor, nn

from fsrfer.networks.standardize import Standardize

WIDTHS = (12, 24, 32, 32)
"""Channels of the four convolutions."""


class LegibilityNetwork(nn.Module):
    """Four convolutions, then two layers that know the places of what was seen.

    Args:
        size: side of the faces in pixels, a multiple of 8.

    Shape:
        - Input: grey faces, N x 1 x size x size, values 0..255.
        - Output: N, the log-odds that an expression can be told.

    Example:
        >>> import torch
        >>> LegibilityNetwork(48)(torch.zeros(2, 1, 48, 48)).shape
        torch.Size([2])
    """

    def __init__(self, size: int = 48) -> None:
        super().__init__()
        first, second, third, fourth = WIDTHS
        self.layers = nn.Sequential(
            Standardize(),
            *_block(1, first, kernel=5, stride=2),
            *_block(first, second, kernel=3, stride=2),
            *_block(second, third, kernel=3, stride=2),
            *_block(third, fourth, kernel=3, stride=1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(fourth * (size // 8) ** 2, 24),
            nn.ReLU(),
        )
        self.last = nn.Linear(24, 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Log-odds of each face."""
        odds: Tensor = self.last(self.layers(faces)).squeeze(1)
        return odds


class Legible(nn.Module):
    """The network as it is exported: probabilities, 0.5 where the log-odds reach ``bound``.

    Shape:
        N x 1 x size x size to N, 0..1.
    """

    def __init__(self, network: LegibilityNetwork, bound: float) -> None:
        super().__init__()
        self.network, self.bound = network, bound

    def forward(self, faces: Tensor) -> Tensor:
        """Probability of each face."""
        odds: Tensor = self.network(faces)
        return (odds - self.bound).sigmoid()


def _block(channels: int, width: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU()
