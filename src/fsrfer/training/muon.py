"""Muon: descent along the orthogonalised momentum of each kernel, so that every direction of it moves alike.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); weight decay and the use beside AdamW as in
Liu et al. (arXiv:2502.16982). `torch.optim.Muon` takes matrices alone, and computes in bf16, which some processors emulate.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose iteration brings all singular values near 1 (Jordan et al.)."""


class Muon(torch.optim.AdamW):
    """Muon for the groups marked ``orthogonal``; AdamW for all others.

    An orthogonalised step moves a kernel's weights by ``lr`` in root mean square along its longer side, about five times what
    AdamW does, which is what it can bear: one learning rate serves both.

    Args:
        groups: of parameters; those of an ``orthogonal`` group have two dimensions or more, the first is the output's.
        lr: learning rate.
        momentum: share of the past in the running mean of gradients, 0..1; the step looks ahead (Nesterov).
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(groups), lr=lr, fused=True)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the gradients of the orthogonal groups are used up by it."""
        if closure is not None:
            raise TypeError("Muon takes no closure")
        for group in self.param_groups:
            if group.get("orthogonal"):
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._descend(parameter, group["lr"], group["weight_decay"])
        return super().step()

    def _descend(self, kernel: Tensor, rate: float, weight_decay: float) -> None:
        assert kernel.grad is not None
        state = self.state[kernel]
        if not state:
            # AdamW's own loading expects a count of steps with every parameter.
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(kernel)}
        state["step"] += 1
        state["momentum"].lerp_(kernel.grad, 1 - self.momentum)
        ahead = kernel.grad.lerp(state["momentum"], self.momentum).flatten(1)
        direction = orthogonalised(ahead) * max(ahead.shape) ** 0.5
        kernel.mul_(1 - rate * weight_decay).sub_(direction.view(kernel.shape), alpha=rate)
        kernel.grad = None  # AdamW passes it by


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors, whose singular values are all between about 0.7 and 1.2.

    Args:
        matrix: float, rows x columns; the zero matrix stays zero.

    Returns:
        the same shape, by Newton-Schulz iteration.

    Example:
        >>> torch.linalg.svdvals(orthogonalised(torch.diag(torch.tensor([3.0, 1.0, 0.1])))).round().tolist()
        [1.0, 1.0, 1.0]
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    # Every step is a polynomial in the Gram matrix of the first x, so x itself is multiplied but once.
    gram = x @ x.T
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity
    for _ in range(ITERATIONS):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    result: Tensor = x.T if tall else x
    return result
