"""Where a training runs: Lightning Fabric, opened from three numbers, so that one command serves a laptop and a cluster."""

import importlib.util
import logging
import math
import time
import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from fsrfer.errors import TrainingError
from fsrfer.recipes.sections import OptimizerSettings
from fsrfer.training.muon import Muon

Network = TypeVar("Network", bound=nn.Module)
Function = TypeVar("Function", bound=Callable[..., Any])


def fastest_precision() -> str:
    """``bf16-mixed`` where the GPU, or else the processor, computes in it; ``32-true`` where it would be emulated.

    A processor with AVX2 alone takes thirteen times longer in bf16 than in 32 bits.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.backends.cpu.get_cpu_capability() == "AVX512" else "32-true"


class Machine(Fabric):
    """A Fabric that also says how networks compute, and until when.

    Attributes:
        backend: of `torch.compile`; None leaves networks as they are.
        deadline: on `time.monotonic`'s clock, after which a training stops with what it has saved.
    """

    backend: str | None = None
    deadline: float = math.inf


def compiles(word: Literal["auto", "on", "off"]) -> bool:
    """Whether networks are compiled: ``auto`` does where there is a GPU and Triton, which writes its programs."""
    there = torch.cuda.is_available() and importlib.util.find_spec("triton") is not None
    return word == "on" or (word == "auto" and there)


def open_fabric(
    devices: int,
    nodes: int,
    precision: str = "auto",
    compiling: Literal["auto", "on", "off"] = "off",
    minutes: float | None = None,
) -> Machine:
    """A launched Fabric.

    Args:
        devices: processes on this machine (a GPU each where there are some).
        nodes: machines.
        precision: such as ``bf16-mixed`` or ``32-true``; ``auto`` takes the `fastest_precision`.
        compiling: see `compiles`.
        minutes: after which trainings stop with what they have saved; None for never.

    Raises:
        TrainingError: numbers below one, no time, or a precision Fabric does not know.
    """
    if devices < 1 or nodes < 1:
        raise TrainingError(f"--devices {devices} --nodes {nodes}: both must be at least 1")
    if minutes is not None and not minutes > 0:
        raise TrainingError(f"--minutes {minutes:g}: must be above 0")
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    try:
        precision = fastest_precision() if precision == "auto" else precision
        fabric = Machine(devices=devices, num_nodes=nodes, precision=precision)  # type: ignore[arg-type]
    except ValueError as error:
        raise TrainingError(f"--precision {precision}: {str(error).splitlines()[0]}") from error
    fabric.backend = "inductor" if compiles(compiling) else None
    fabric.deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    fabric.launch()
    return fabric


def time_is_up(fabric: Fabric, *, together: bool) -> bool:
    """Whether a training is to stop now.

    Args:
        fabric: says until when.
        together: whether all processes ask now; several stop at such a moment only, when the first one's time is up.
    """
    deadline = getattr(fabric, "deadline", math.inf)
    if deadline == math.inf or (fabric.world_size > 1 and not together):
        return False
    return bool(fabric.broadcast(time.monotonic() >= deadline))


def compiled(fabric: Fabric, function: Function) -> Function:
    """A network or a method of one, compiled where the command says so; its weights keep their names."""
    backend = getattr(fabric, "backend", None)
    return function if backend is None else cast("Function", torch.compile(function, backend=backend, dynamic=False))


def descend(fabric: Fabric, loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """One step of gradient descent; gradients are averaged over processes, as if one held the whole batch.

    Fabric's own wrappers would do the same, but round inputs to half precision and forbid the inner gradient that the
    adversarial losses take.
    """
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    if fabric.world_size > 1:
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        mean = fabric.all_reduce(torch.cat([gradient.flatten() for gradient in gradients]))
        assert isinstance(mean, Tensor)
        for gradient, part in zip(gradients, torch.split(mean, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
    optimizer.step()


def open_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The recipe's optimiser, for what of the network is open to gradients; biases and norms go free of weight decay."""
    open_ones = [p for p in network.parameters() if p.requires_grad]
    kernels = {"params": [p for p in open_ones if p.ndim == 4], "weight_decay": settings.weight_decay}
    matrices = {"params": [p for p in open_ones if 1 < p.ndim < 4], "weight_decay": settings.weight_decay}
    free = {"params": [p for p in open_ones if p.ndim <= 1], "weight_decay": 0.0}
    if settings.name == "muon":
        return Muon([{**kernels, "orthogonal": True}, matrices, free], settings.learning_rate)
    return torch.optim.AdamW([kernels, matrices, free], lr=settings.learning_rate, fused=True)


def freeze(network: Network) -> Network:
    """The network in evaluation mode, its weights closed to gradients."""
    network.eval().requires_grad_(False)
    return network


def mean_over_processes(fabric: Fabric, value: Tensor) -> Tensor:
    """The mean of a scalar over all processes, where it was computed: reading it would wait for an accelerator."""
    mean = fabric.all_reduce(value.detach())
    assert isinstance(mean, Tensor)
    return mean


def place(fabric: Fabric, network: Network) -> Network:
    """The network where it is to compute, its kernels laid out channels last, which convolutions in bf16 run fastest on."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    fabric.to_device(network)
    return network


def own_rows(fabric: Fabric, batch_size: int) -> slice:
    """This process's part of a batch that all processes draw alike."""
    share = batch_size // fabric.world_size
    return slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)
