"""Several networks that answer as one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fsrfer.networks.expression import ExpressionNetwork
from fsrfer.networks.residual import ResidualNet


@dataclass(frozen=True, slots=True)
class EnsembleOutput:
    """What the networks together make of N faces.

    Attributes:
        each: N x M x num_classes, the logits of each of M members.
        log2_px: N, base-2 logarithm of the estimated effective height in pixels, the first member's.
    """

    each: Tensor
    log2_px: Tensor

    @property
    def logits(self) -> Tensor:
        """N x num_classes, the mean of the members'."""
        return self.each.mean(1)


class Ensemble(ExpressionNetwork):
    """The mean of several networks' logits: what one of them gets wrong by chance, the others get right.

    Args:
        members: one or more networks for faces of one size; the first one estimates the effective size.

    Shape:
        As `ResidualNet`.

    Example:
        >>> nets = [ResidualNet(widths=(8, 16), blocks=(1, 1), stem=4, stem_stride=stride).eval() for stride in (1, 2)]
        >>> Ensemble(nets)(torch.zeros(2, 1, 48, 48)).shape
        torch.Size([2, 7])
    """

    def __init__(self, members: Sequence[ResidualNet]) -> None:
        super().__init__()
        self.first, *others = members
        self.others = nn.ModuleList(others)

    @property
    def members(self) -> list[ResidualNet]:
        """The networks, in their order."""
        others = [member for member in self.others if isinstance(member, ResidualNet)]
        return [self.first, *others]

    @property
    def size(self) -> int:
        """Side of the faces in pixels."""
        return self.first.size

    @property
    def effective_size(self) -> nn.Module:
        """What estimates the effective size."""
        return self.first.effective_size

    def analyse(self, faces: Tensor) -> EnsembleOutput:
        """Logits and effective sizes of a batch of faces."""
        output = self.first.analyse(faces)
        each = torch.stack([output.logits, *(member(faces) for member in self.others)], 1)
        return EnsembleOutput(each, output.log2_px)


SizedNetwork = ResidualNet | Ensemble
"""One network, or several that answer as one, which estimate the effective size."""


def members_of(networks: Sequence[SizedNetwork]) -> list[ResidualNet]:
    """Every single network among several, in their order."""
    members: list[ResidualNet] = []
    for network in networks:
        members += network.members if isinstance(network, Ensemble) else [network]
    return members
