"""The moving average of a network's weights, which classifies better than the last weights do."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of all floating-point tensors of a network, batch-norm statistics included.

    Args:
        network: whose state is followed; ``module`` of the average carries the averaged weights.
        decay: weight of the past, 0..1; early on it is lower, so that the start is soon forgotten. 0 follows exactly.
    """

    @torch.no_grad()
    def update(averaged: Tensor, present: Tensor, count: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():
            return present
        past = torch.as_tensor((1 + count) / (10 + count)).clamp(max=decay)
        return averaged.lerp(present, (1 - past).to(averaged))

    average = AveragedModel(network, avg_fn=update, use_buffers=True)
    average.requires_grad_(False)
    return average
