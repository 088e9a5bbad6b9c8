"""The generator G: from the feature of a low-resolution face to that of the same face in high resolution.

Reference:
    arXiv:2004.02234, section 3; the trunk is that of Wang et al., "ESRGAN", ECCVW 2018, arXiv:1809.00219.
"""

import torch
from torch import Tensor, nn

from fsrfer.networks.norm import BatchNorm2d

LEAK = 0.2


def same_conv(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> nn.Sequential:
    """A convolution that keeps height and width, also with an even kernel.

    An even kernel needs one more row and column of zeros after the map than before it (3 and 4 for a kernel
    of 8).

    Shape:
        N x in_channels x H x W to N x out_channels x H x W.
    """
    before, after = (kernel - 1) // 2, kernel // 2
    return nn.Sequential(
        nn.ZeroPad2d((before, after, before, after)), nn.Conv2d(in_channels, out_channels, kernel, bias=bias)
    )


class DenseBlock(nn.Module):
    """Five 3x3 convolutions with batch norm, each seeing the block's input and all maps before it.

    Shape:
        N x channels x H x W to the same: ``x + residual_scale * fifth``.
    """

    def __init__(self, channels: int, growth: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        widths = [growth] * 4 + [channels]
        # No bias: batch norm follows, and would take it away again.
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels + index * growth, width, 3, padding=1, bias=False), BatchNorm2d(width))
            for index, width in enumerate(widths)
        )
        self.activation = nn.LeakyReLU(LEAK)

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's residual to N x channels x H x W."""
        maps = [x]
        for conv in self.convs[:-1]:
            maps.append(self.activation(conv(torch.cat(maps, dim=1))))  # N x growth x H x W
        residual: Tensor = self.convs[-1](torch.cat(maps, dim=1))  # N x channels x H x W
        return x + self.residual_scale * residual


class ResidualInResidualDenseBlock(nn.Module):
    """Three dense blocks and a residual around them (RRDB).

    Shape:
        N x channels x H x W to the same: ``x + residual_scale * blocks(x)``.
    """

    def __init__(self, channels: int, growth: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.blocks = nn.Sequential(*(DenseBlock(channels, growth, residual_scale) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Add the blocks' residual to N x channels x H x W."""
        residual: Tensor = self.blocks(x)
        return x + self.residual_scale * residual


class FeatureGenerator(nn.Module):
    """Feature super-resolution: an ESRGAN trunk at the feature's own size.

    conv 3x3; residual-in-residual dense blocks; conv 3x3; long skip; conv 8x8; leaky ReLU; conv 8x8. With the
    paper's numbers and a 128x128 feature: 1,158,913 parameters, which batch norm folded into its convolutions
    leaves as 1,157,185 (the 1.157 M of the paper's preset), and 18.93 G multiply-adds a face.

    Weights start as He's, times ``init_scale``, biases at zero; so the first output is nearly zero. Batch norm uses
    the batch's statistics in training and running ones in evaluation. (The public reference code builds it in its
    evaluation mode and never updates the statistics, so there it only scales and shifts.)

    Args:
        in_channels: of the feature.
        channels: of the trunk.
        growth: maps that each convolution of a dense block adds.
        blocks: number of residual-in-residual dense blocks.
        kernel: of the last two convolutions.
        residual_scale: of every residual.
        init_scale: of the initial weights.

    Shape:
        N x in_channels x H x W (``feat_lr``) to the same (``feat_sr``).

    Example:
        >>> generator = FeatureGenerator(channels=8, growth=4, blocks=1)
        >>> generator(torch.randn(2, 1, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 1,
        channels: int = 32,
        growth: int = 16,
        blocks: int = 6,
        *,
        kernel: int = 8,
        residual_scale: float = 0.2,
        init_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(
            *(ResidualInResidualDenseBlock(channels, growth, residual_scale) for _ in range(blocks))
        )
        self.trunk = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Sequential(
            same_conv(channels, channels, kernel),
            nn.LeakyReLU(LEAK),
            same_conv(channels, in_channels, kernel),
        )
        self._initialise(init_scale)

    @torch.no_grad()
    def _initialise(self, scale: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight).mul_(scale)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, feat_lr: Tensor) -> Tensor:
        """Super-resolved features of low-resolution ones."""
        first = self.first(feat_lr)  # N x 32 x 128 x 128
        trunk = self.trunk(self.blocks(first))  # N x 32 x 128 x 128
        feat_sr: Tensor = self.last(first + trunk)  # N x 1 x 128 x 128
        return feat_sr
