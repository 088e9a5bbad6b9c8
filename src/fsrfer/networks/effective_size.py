"""How much detail a face really holds, told blindly from its spectrum.

A face that was shrunk, blurred or taken from far and then enlarged has little energy above the frequencies it once held.
"""

import math

import torch
from torch import Tensor, nn

NOISE_FLOOR = 1e-5
"""Energy of a standardised face's coefficient below which there is only the rounding of its pixels to whole numbers."""

LOG_SHARE = 0.5 / math.log(10.0)
"""Half the decimal logarithm of x is this much of its natural one, which costs the exported graph one step less."""


class SpectralSize(nn.Module):
    """Effective height of a face: the energy in bands of its cosine transform, then a small perceptron.

    Args:
        size: side S of the faces in pixels.
        hidden: width of the perceptron's two hidden layers.

    Shape:
        - Input: standardised faces, N x C x S x S.
        - Output: N, the base-2 logarithm of the effective height in pixels; may leave 0..log2(S) by a little.

    Example:
        >>> import torch
        >>> SpectralSize(48)(torch.randn(2, 1, 48, 48)).shape
        torch.Size([2])
    """

    def __init__(self, size: int, hidden: int = 32) -> None:
        super().__init__()
        self.register_buffer("transform", cosine_transform(size), persistent=False)
        self.register_buffer("bands", square_bands(size), persistent=False)
        last = nn.Linear(hidden, 1)
        nn.init.constant_(last.bias, math.log2(size) - 1)
        self.layers = nn.Sequential(
            nn.Linear(self.bands.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last
        )

    transform: Tensor
    bands: Tensor

    def forward(self, standardized: Tensor) -> Tensor:
        """Base-2 logarithm of the effective height."""
        # Energies span five powers of ten, more than half precision can tell apart.
        with torch.autocast(standardized.device.type, enabled=False):
            maps = standardized.float()
            # A mean over one channel would still be a step of the exported graph.
            grey = maps.squeeze(1) if maps.shape[1] == 1 else maps.mean(1)  # N x S x S
            energy = (self.transform @ grey @ self.transform.T).square().flatten(1)  # N x S^2
            levels = LOG_SHARE * torch.log(energy @ self.bands + NOISE_FLOOR) + 1.0  # N x S/2, roughly -1.5..1.5
            log2_px: Tensor = self.layers(levels).squeeze(1)
        return log2_px


def cosine_transform(size: int) -> Tensor:
    """The orthonormal matrix of the discrete cosine transform (DCT-II): float32, size x size.

    Example:
        >>> import torch
        >>> torch.allclose(cosine_transform(8) @ cosine_transform(8).T, torch.eye(8), atol=1e-6)
        True
    """
    places = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * (places + 0.5) * places[:, None]) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows.float()


def square_bands(size: int) -> Tensor:
    """Averages over square rings of coefficients, two frequencies a ring, without the mean: float32, size^2 x size/2.

    Rings are square because a picture is shrunk along each axis by itself.
    """
    places = torch.arange(size)
    ring = torch.maximum(places[:, None], places).flatten() // 2
    bands = nn.functional.one_hot(ring, size // 2 + size % 2).float()
    bands[0] = 0
    return bands / bands.sum(0).clamp(min=1)
