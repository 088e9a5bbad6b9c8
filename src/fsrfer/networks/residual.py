"""The networks that ship: a small residual classifier of faces of any size, which also estimates how much detail a face has.

Residual blocks as in He et al., "Identity Mappings in Deep Residual Networks" (ECCV 2016). A generator on the last map
(`networks.uplift`) is an option; nothing has shown that it pays (docs/decisions/0011).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.networks.effective_size import SpectralSize
from fsrfer.networks.expression import ExpressionNetwork
from fsrfer.networks.norm import BatchNorm2d
from fsrfer.networks.standardize import Standardize
from fsrfer.networks.uplift import FeatureUplift


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a short cut around them.

    Shape:
        - Input and output: N x channels x H x W.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.norm1 = BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.norm2 = BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)  # each block starts as the identity, which steadies early training

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(inner)))


class PlacePooling(nn.Module):
    """The mean over the places of a map, and what each place of each channel counts for beyond it.

    Aligned faces have their mouths in one place and their brows in another, which a plain mean forgets. As the global depthwise
    convolution of MobileFaceNets (Chen et al., CCBR 2018, arXiv:1804.07573), but it begins, and decays to, the plain mean.

    Shape:
        N x channels x side x side to N x channels.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, side, side))

    def forward(self, features: Tensor) -> Tensor:
        """Pool each map."""
        return features.mean((2, 3)) + (features * self.weight).sum((2, 3))


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without bias that keeps the side, but for its stride."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def stem_convolution(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """The first convolution: its kernel grows with its stride, so that it sees each pixel as often as a 3x3 one does."""
    return nn.Conv2d(in_channels, out_channels, 3 * stride, stride=stride, padding=stride, bias=False)


def last_side(size: int, stages: int, stem_stride: int = 1) -> int:
    """Side of the last map of a face of ``size`` pixels, after the stem and so many stages."""
    size //= stem_stride
    for _ in range(stages):
        size = (size + 1) // 2
    return size


@dataclass(frozen=True, slots=True)
class ResidualOutput:
    """What the network makes of N faces.

    Attributes:
        features: N x C x H x W, the extractor's last map.
        lifted: the same, after the generator (the features themselves where there is none).
        embedding: N x C, ``lifted`` pooled over its places.
        logits: N x num_classes.
        log2_px: N, base-2 logarithm of the estimated effective height in pixels.
    """

    features: Tensor
    lifted: Tensor
    embedding: Tensor
    logits: Tensor
    log2_px: Tensor

    @property
    def each(self) -> Tensor:
        """N x 1 x num_classes: the logits of one network among several."""
        return self.logits[:, None]


class ResidualNet(ExpressionNetwork):
    """Extractor E, perhaps a generator G, and a linear head; each stage of E halves the map and has its own width.

    Args:
        in_channels: 1 for grey faces, 3 for colour.
        size: side S of the faces in pixels.
        stem: channels of the first map.
        stem_stride: pixels between places of the first map.
        widths: channels of each stage.
        blocks: residual blocks in each stage.
        num_classes: number of logits.
        dropout: on the pooled features, in training only.
        uplift_hidden: channels inside a block of G.
        uplift_blocks: of G; 0 leaves G out.
        conditioned: whether G is told the effective size.
        placed: whether places of the last map count differently (`PlacePooling`), or all alike.

    Shape:
        - Input: N x in_channels x S x S, values 0..255.
        - Output: logits, N x num_classes; `analyse` gives the rest.

    Example:
        >>> net = ResidualNet(widths=(8, 16), blocks=(1, 1), stem=4, uplift_blocks=1).eval()
        >>> net(torch.zeros(2, 1, 48, 48)).shape
        torch.Size([2, 7])
    """

    def __init__(
        self,
        in_channels: int = 1,
        size: int = 48,
        stem: int = 32,
        stem_stride: int = 1,
        widths: Sequence[int] = (64, 128, 192),
        blocks: Sequence[int] = (1, 1, 1),
        num_classes: int = 7,
        dropout: float = 0.3,
        uplift_hidden: int = 64,
        uplift_blocks: int = 0,
        conditioned: bool = True,
        placed: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.standardize = Standardize()
        self.effective_size = SpectralSize(size)
        self.stem = nn.Sequential(stem_convolution(in_channels, stem, stem_stride), BatchNorm2d(stem), nn.ReLU())
        stages: list[nn.Module] = []
        channels = stem
        for width, depth in zip(widths, blocks, strict=True):
            halving = nn.Sequential(conv3x3(channels, width, stride=2), BatchNorm2d(width), nn.ReLU())
            stages.append(nn.Sequential(halving, *(ResidualBlock(width) for _ in range(depth))))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.uplift = (
            FeatureUplift(channels, uplift_hidden, uplift_blocks, conditioned=conditioned) if uplift_blocks else None
        )
        self.pooling = PlacePooling(channels, last_side(size, len(widths), stem_stride)) if placed else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)

    def analyse(self, faces: Tensor) -> ResidualOutput:
        """Features before and after G, logits and effective sizes of a batch of faces."""
        standardized = self.standardize(faces)
        return self.lift(self.stages(self.stem(standardized)), self.effective_size(standardized))

    def lift(self, features: Tensor, log2_px: Tensor) -> ResidualOutput:
        """Generator and head on features that are there already."""
        # The size is a fact about the face: G must not bend the estimate to suit itself.
        lifted: Tensor = features if self.uplift is None else self.uplift(features, log2_px.detach())
        embedding = lifted.mean((2, 3)) if self.pooling is None else self.pooling(lifted)
        logits: Tensor = self.head(self.dropout(embedding))
        return ResidualOutput(features, lifted, embedding, logits, log2_px)
