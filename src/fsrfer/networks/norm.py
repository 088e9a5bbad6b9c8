"""Batch normalisation whose statistics cover the batch of every process, on CPU as on GPU.

`torch.nn.SyncBatchNorm` refuses CPU tensors, so a run over several gloo processes would normalise each share
of the batch by itself and differ from the run of one process.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes; each process's gradient is the sum of everybody's."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ARG004
        total = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(values)  # type: ignore[no-untyped-call]
    return total


def _several_processes() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _synchronised(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalise by the mean and variance of all processes' samples, and remember them."""
    per_channel = [1, -1] + [1] * (x.ndim - 2)
    others = [axis for axis in range(x.ndim) if axis != 1]
    exact = x.to(torch.promote_types(x.dtype, torch.float32))  # sums in half precision would drift

    here = exact.new_tensor([x.numel() / x.shape[1]])
    sums = _sum_over_processes(torch.cat([exact.sum(others), here]))  # C + 1
    count = sums[-1].detach()
    mean = sums[:-1] / count
    # A second sum of squared distances from the common mean: E[x^2] - E[x]^2 would cancel.
    centred = exact - mean.view(per_channel)
    variance = _sum_over_processes(centred.square().sum(others)) / count

    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    _remember(norm, mean.detach(), variance.detach() * count / (count - 1))
    return (centred * scale.view(per_channel) + norm.bias.view(per_channel)).to(x.dtype)


@torch.no_grad()
def _remember(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, unbiased_variance: Tensor) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None and norm.momentum is not None
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
    norm.running_var.lerp_(unbiased_variance.to(norm.running_var), norm.momentum)


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` over the samples of every process.

    With one process, or in evaluation, it *is* torch's layer (same arithmetic, same state). With several it
    gives the outputs, gradients and running statistics of one process holding the whole batch, as long as the
    loss is averaged over processes (as DistributedDataParallel does).

    Shape:
        N x C x H x W to the same; N may differ between processes.

    Reference:
        Ioffe and Szegedy, ICML 2015, arXiv:1502.03167.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise N x C x H x W."""
        if self.training and _several_processes():
            return _synchronised(self, input)
        return super().forward(input)


class BatchNorm1d(nn.BatchNorm1d):
    """`BatchNorm2d` for vectors: N x C to N x C."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise N x C."""
        if self.training and _several_processes():
            return _synchronised(self, input)
        return super().forward(input)
