"""Where a training runs: Lightning Fabric, opened from three numbers, so that one command serves a laptop and a cluster."""

import importlib.util
import logging
import math
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.parallel import ParallelStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from fsrfer.errors import TrainingError
from fsrfer.recipes.sections import OptimizerSettings
from fsrfer.training.muon import Muon

PRECISIONS = ("auto", "32-true", "bf16-mixed")
"""Those that trainings keep to: others of Fabric would need its wrappers, or losses that are scaled."""

Network = TypeVar("Network", bound=nn.Module)
Function = TypeVar("Function", bound=Callable[..., Any])


def fastest_precision() -> str:
    """``bf16-mixed`` where the GPU computes in it, or else the processor has matrix units for it (AMX); ``32-true`` elsewhere.

    A processor with AVX2 alone takes thirteen times longer in bf16 than in 32 bits; of two with AVX-512's bf16 one took half as
    long again, the other little more than half as long.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    told = getattr(torch.cpu, "get_capabilities", dict[str, bool])()  # PyTorch 2.6 does not tell yet
    return "bf16-mixed" if told.get("amx_bf16", False) else "32-true"


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
        precision: one of `PRECISIONS`; ``auto`` takes the `fastest_precision`.
        compiling: see `compiles`.
        minutes: after which trainings stop with what they have saved; None for never.

    Raises:
        TrainingError: numbers below one, more devices than there are, no time, another precision, no address of the first of
            several machines, or one that cannot be reached.
    """
    if devices < 1 or nodes < 1:
        raise TrainingError(f"--devices {devices} --nodes {nodes}: both must be at least 1")
    if minutes is not None and not minutes > 0:
        raise TrainingError(f"--minutes {minutes:g}: must be above 0")
    if precision not in PRECISIONS:
        raise TrainingError(f"--precision {precision}: must be one of {', '.join(PRECISIONS)}")
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    try:
        fabric = Machine(
            # Apple's GPUs lack the 64 bits in which the camera is simulated.
            accelerator="cuda" if torch.cuda.is_available() else "cpu",
            devices=devices,
            num_nodes=nodes,
            precision=fastest_precision() if precision == "auto" else precision,  # type: ignore[arg-type]
        )
    except MisconfigurationException as error:
        raise TrainingError(f"--devices {devices}: {str(error).strip().splitlines()[0]}") from error
    fabric.backend = "inductor" if compiles(compiling) else None
    fabric.deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    if nodes > 1:
        _require_address(fabric)
        _require_interface()
    torch.backends.cudnn.benchmark = True  # batches have one shape, whose quickest convolution is worth a search
    with told_of_others(devices * nodes):
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


def _require_address(fabric: Fabric) -> None:
    """Several machines meet at the first: without its address each would wait for the others on its own.

    Raises:
        TrainingError: neither the environment nor a launcher (torchrun, SLURM) says where they meet.
    """
    strategy = fabric.strategy
    if not isinstance(strategy, ParallelStrategy) or not isinstance(strategy.cluster_environment, LightningEnvironment):
        return
    if missing := [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]:
        raise TrainingError(
            f"--nodes: {missing[0]} is not set; set MASTER_ADDR and MASTER_PORT to an address of the first machine, and "
            "NODE_RANK to the number of this one, from 0"
        )


def _require_interface() -> None:
    """Gloo gives the others the address of this machine's name: a loopback one leads them to themselves, and all wait.

    Raises:
        TrainingError: that is so, and no interface is named.
    """
    if torch.cuda.is_available() or "GLOO_SOCKET_IFNAME" in os.environ:
        return
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = "no address"
    if address.startswith("127.") or address == "no address":
        raise TrainingError(
            f"--nodes: this machine's name leads to {address}, where others cannot reach it; name the interface that leads "
            "to them, such as GLOO_SOCKET_IFNAME=eth0"
        )


@contextmanager
def told_of_others(processes: int) -> Iterator[None]:
    """Within the block, what the other processes of a training make impossible here is one line.

    Raises:
        TrainingError: they cannot be reached, or one of them ended.
    """
    try:
        yield
    except (torch.distributed.DistError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if processes == 1 or not any(
            word in reason.lower() for word in ("gloo", "nccl", "connect", "socket", "timed out")
        ):
            raise
        advice = "look there what it said of itself"
        if "connectFullMesh" in reason or "127.0.0.1" in reason:
            advice = "name the interface that leads to the other machines, such as GLOO_SOCKET_IFNAME=eth0"
        raise TrainingError(f"another process of this training is out of reach ({reason}); {advice}") from error


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


def seen_everywhere(fabric: Fabric, number: int) -> list[int]:
    """What each process has for a number, in their order."""
    if fabric.world_size == 1:
        return [number]
    gathered = fabric.all_gather(torch.tensor(number, device=fabric.device))
    assert isinstance(gathered, Tensor)
    return [int(one) for one in gathered]


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


def gathered(fabric: Fabric, own: Tensor) -> Tensor:
    """What all processes have of a batch, one after another, on the CPU."""
    whole = fabric.all_gather(own.contiguous())
    assert isinstance(whole, Tensor)
    return whole.reshape(-1, *own.shape[1:]).contiguous().cpu()
