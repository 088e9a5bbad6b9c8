"""The compact classifier: a small residual network for faces of any size, brought to one input size.

Residual blocks as in He et al., "Identity Mappings in Deep Residual Networks" (ECCV 2016).
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.networks.norm import BatchNorm2d
from fsrfer.networks.standardize import Standardize


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a short cut around them.

    Shape:
        - Input and output: N x channels x H x W.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)  # each block starts as the identity, which steadies early training

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(inner)))


def _conv_norm_relu(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class CompactNet(nn.Module):
    """A residual classifier; each stage halves the map and has its own width.

    Args:
        in_channels: 1 for grey faces, 3 for colour.
        stem: channels at full resolution.
        widths: channels of each stage.
        blocks: residual blocks in each stage.
        num_classes: number of logits.
        dropout: on the pooled features, in training only.

    Shape:
        - Input: N x in_channels x S x S, values 0..255.
        - Output: logits, N x num_classes.

    Example:
        >>> import torch
        >>> net = CompactNet(widths=(8, 16), blocks=(1, 1), stem=4).eval()
        >>> net(torch.zeros(2, 1, 48, 48)).shape
        torch.Size([2, 7])
    """

    def __init__(
        self,
        in_channels: int = 1,
        stem: int = 32,
        widths: Sequence[int] = (64, 128, 192),
        blocks: Sequence[int] = (1, 1, 1),
        num_classes: int = 7,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.standardize = Standardize()
        self.stem = _conv_norm_relu(in_channels, stem, stride=1)
        stages: list[nn.Module] = []
        channels = stem
        for width, depth in zip(widths, blocks, strict=True):
            residual = (ResidualBlock(width) for _ in range(depth))
            stages.append(nn.Sequential(_conv_norm_relu(channels, width, stride=2), *residual))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes)
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Logits of a batch of faces."""
        maps: Tensor = self.stages(self.stem(self.standardize(faces)))  # N x C x S/2^k x S/2^k
        logits: Tensor = self.head(maps)
        return logits
