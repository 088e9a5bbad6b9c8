"""What a method costs: its multiply-adds, counted while one face passes through."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def count_gflop(
    method: Callable[[Tensor], Tensor], networks: Iterable[nn.Module], in_channels: int, size: int
) -> float:
    """Cost of one face in 10^9 floating-point operations, two a multiply-add.

    Convolutions and linear layers are counted; norms, activations and eigen-decompositions are not.

    Args:
        method: N x in_channels x size x size (0..255) to anything.
        networks: all that the method runs through; set to evaluation mode.
        in_channels: 1 or 3.
        size: side of a face in pixels.

    Example:
        >>> layer = nn.Conv2d(1, 2, 3, padding=1)
        >>> count_gflop(layer, [layer], 1, 10) * 1e9  # 2 * 9 weights * 2 channels * 100 pixels
        3600.0
    """
    total = 0

    def add(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer.weight, Tensor)
        total += 2 * layer.weight.numel() * (output[0, 0].numel() if output.ndim == 4 else 1)

    layers = [
        layer for network in networks for layer in network.eval().modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    handles = [layer.register_forward_hook(add) for layer in layers]
    try:
        with torch.no_grad():
            method(torch.zeros(1, in_channels, size, size))
    finally:
        for handle in handles:
            handle.remove()
    return total / 1e9
