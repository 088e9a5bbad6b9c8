"""The moving average of a network's weights, which classifies better than the last weights do."""

import copy

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """An exponential moving average of all floating-point tensors of a network, batch-norm statistics included.

    `torch.optim.swa_utils.AveragedModel` would wait for an accelerator once a tensor and step; here all tensors move at once.

    Args:
        network: whose state is followed; ``module`` carries the averaged weights.
        decay: weight of the past, 0..1; early on it is lower, so that the start is soon forgotten. 0 follows exactly.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.module = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.register_buffer("updates", torch.tensor(0))  # stays with the processor, which reads it

    updates: Tensor

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Follow the network's present state; the first time, take it as it is."""
        count = int(self.updates)
        present = 1 - min(self.decay, (1 + count) / (10 + count)) if count else 1.0
        mine, theirs = self.module.state_dict(), network.state_dict()
        followed = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in followed], [theirs[name] for name in followed], present)
        for name in mine.keys() - set(followed):
            mine[name].copy_(theirs[name])
        self.updates += 1
