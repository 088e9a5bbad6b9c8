"""The generator G on the extractor's own small map: lifts it towards that of a sharp face.

The paper's generator (arXiv:2004.02234, section 3) works on a 128 x 128 matrix; this one on a map of 6 x 6, hundreds of times
cheaper. It begins as the identity, so a sharp face never suffers from it.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.networks.norm import BatchNorm2d

MIDDLE_LOG2_PX, SPREAD_LOG2_PX = 4.0, 1.5


class UpliftBlock(nn.Module):
    """A residual bottleneck whose middle is scaled and shifted by the face's effective size.

    Conditioning as in FiLM (Perez et al., AAAI 2018, arXiv:1709.07871).

    Shape:
        N x channels x H x W and N to N x channels x H x W.
    """

    def __init__(self, channels: int, hidden: int, conditioned: bool) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1, bias=False)
        self.norm1 = BatchNorm2d(hidden)
        self.mix = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)
        self.norm2 = BatchNorm2d(hidden)
        self.modulation = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 2 * hidden)) if conditioned else None
        self.expand = nn.Conv2d(hidden, channels, 1)
        nn.init.zeros_(self.expand.weight)
        assert self.expand.bias is not None
        nn.init.zeros_(self.expand.bias)

    def forward(self, features: Tensor, log2_px: Tensor) -> Tensor:
        """Lift N x channels x H x W."""
        inner = F.relu(self.norm1(self.reduce(features)))
        inner = self.norm2(self.mix(inner))
        if self.modulation is not None:
            size = ((log2_px - MIDDLE_LOG2_PX) / SPREAD_LOG2_PX)[:, None]
            scale, shift = self.modulation(size)[:, :, None, None].chunk(2, dim=1)
            inner = inner * (1 + scale) + shift
        lifted: Tensor = features + self.expand(F.relu(inner))
        return lifted


class FeatureUplift(nn.Module):
    """The generator: a few `UpliftBlock`, then a rectifier, since features are never negative.

    Args:
        channels: of the features.
        hidden: channels inside a block.
        blocks: how many.
        conditioned: whether the blocks are told the face's effective size.

    Shape:
        - Input: features, N x channels x H x W, none negative; base-2 logarithm of the effective heights, N.
        - Output: as the features.

    Example:
        >>> import torch
        >>> features = torch.rand(2, 8, 6, 6)
        >>> bool((FeatureUplift(8, 4, 2)(features, torch.tensor([3.0, 5.0])) == features).all())
        True
    """

    def __init__(self, channels: int, hidden: int, blocks: int, *, conditioned: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(UpliftBlock(channels, hidden, conditioned) for _ in range(blocks))

    def forward(self, features: Tensor, log2_px: Tensor) -> Tensor:
        """Lift N x channels x H x W."""
        for block in self.blocks:
            features = block(features, log2_px)
        return F.relu(features)
