"""Image super-resolution, the rival of feature super-resolution: restore the picture first, then classify it.

Reference:
    Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (EDSR), CVPRW 2017,
    arXiv:1707.02921; the global residual on an upscaled picture is that of Kim et al., VDSR, CVPR 2016,
    arXiv:1511.04587, with which one network serves every factor.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """conv, ReLU, conv, and no batch norm: ``x + residual_scale * body(x)``.

    Shape:
        N x channels x H x W to the same.
    """

    def __init__(self, channels: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual to N x channels x H x W."""
        residual: Tensor = self.body(x)
        return x + self.residual_scale * residual


class ImageSuperResolver(nn.Module):
    """EDSR for faces that bicubic interpolation has already brought to full size, x2 to x8 with the same weights.

    The network adds a residual to its input, and starts as the identity. Its trunk works at half the size, by
    moving 2x2 pixels into channels and back: a face that was shrunk by 2 or more carries nothing finer, and it
    costs a quarter.

    Args:
        in_channels: 3 for RGB, 1 for grey.
        channels: of the trunk.
        blocks: number of residual blocks.
        residual_scale: of every block.

    Shape:
        N x in_channels x H x W, values 0..1, to the same; clipped to 0..1 in evaluation, but not in training,
        where clipping would stop the gradient.

    Example:
        >>> import torch
        >>> faces = torch.rand(1, 3, 25, 25)
        >>> resolver = ImageSuperResolver(channels=8, blocks=1)
        >>> torch.equal(resolver(faces), faces)
        True
    """

    def __init__(self, in_channels: int = 3, channels: int = 64, blocks: int = 16, residual_scale: float = 0.1) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * in_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels, residual_scale) for _ in range(blocks)))
        self.trunk = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, 4 * in_channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, lr: Tensor) -> Tensor:
        """Restored faces."""
        height, width = lr.shape[-2:]
        even = F.pad(lr, (0, width % 2, 0, height % 2), mode="replicate")
        first = self.first(F.pixel_unshuffle(even, 2))  # N x 64 x H/2 x W/2
        trunk = first + self.trunk(self.blocks(first))  # N x 64 x H/2 x W/2
        residual = F.pixel_shuffle(self.last(trunk), 2)  # N x 3 x H x W
        restored = lr + residual[..., :height, :width]
        return restored if self.training else restored.clamp(0, 1)
