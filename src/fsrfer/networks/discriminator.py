"""The discriminator D: how far a feature is from those of high-resolution faces.

Reference:
    arXiv:2004.02234, section 3.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2


class StridedConv(nn.Module):
    """A 4x4 convolution of stride 2 that halves height and width, rounding up, whatever their size.

    Shape:
        N x in_channels x H x W to N x out_channels x ceil(H/2) x ceil(W/2).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 4, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Halve N x in_channels x H x W."""
        height, width = x.shape[-2:]
        padded = F.pad(x, (1, 1 + width % 2, 1, 1 + height % 2))
        halved: Tensor = self.conv(padded)
        return halved


class FeatureDiscriminator(nn.Module):
    """A critic of features: an unbounded score for each.

    Five pairs of a 3x3 and a strided 4x4 convolution, leaky ReLU after each, without bias or batch norm (a
    gradient penalty is a matter of single samples, and batch norm would mix them); then 100 and 1. Whether
    high or low means real is the loss's convention.

    Args:
        feature_shape: channels, height and width of a feature.
        widths: channels of each pair.
        hidden: width of the layer before the score.

    Shape:
        N x channels x height x width to N.

    Example:
        >>> import torch
        >>> critic = FeatureDiscriminator((1, 32, 32), widths=(4, 8))
        >>> critic(torch.randn(3, 1, 32, 32)).shape
        torch.Size([3])
    """

    def __init__(
        self,
        feature_shape: tuple[int, int, int] = (1, 128, 128),
        widths: Sequence[int] = (8, 16, 32, 64, 64),
        hidden: int = 100,
    ) -> None:
        super().__init__()
        channels, height, width = feature_shape
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths[:-1]], widths, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.LeakyReLU(LEAK)]
            layers += [StridedConv(after, after), nn.LeakyReLU(LEAK)]
            height, width = (height + 1) // 2, (width + 1) // 2
        self.body = nn.Sequential(*layers)
        self.score = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * height * width, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Critic scores of features."""
        # The penalty is the sixth power of a gradient's norm, which half precision cannot hold.
        with torch.autocast(features.device.type, enabled=False):
            maps = self.body(features)  # N x 64 x 4 x 4
            critic_scores: Tensor = self.score(maps).squeeze(1)  # N
        return critic_scores
