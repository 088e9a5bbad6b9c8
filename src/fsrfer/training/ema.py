"""An exponential moving average of a network's weights, which classifies better than the last weights do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of all floating-point tensors of a network, batch-norm statistics included.

    Args:
        network: whose state is followed.
        decay: weight of the past, 0..1; early on it is lower, so that the start is soon forgotten. 0 follows exactly.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the network's present weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value.detach(), 1 - decay)
            else:
                self.average[name].copy_(value)

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Within the block the network carries the averaged weights."""
        present = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.average)
        try:
            yield
        finally:
            network.load_state_dict(present)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged state, in the layout of the network's own."""
        return self.average

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put a saved average back."""
        for name, value in state.items():
            self.average[name].copy_(value)
