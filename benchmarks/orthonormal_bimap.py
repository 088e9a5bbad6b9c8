"""Ways to keep BiMap's 256 x 128 weight orthonormal: time of a step, error, and what weight decay and averaging do.

Run by hand: ``python benchmarks/orthonormal_bimap.py``; prints the table of docs/decisions/0003-orthonormal-bimap.md.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from fsrfer.networks.spd import BiMap, covariance_pool

STEPS = 300


class PlainWeight(nn.Module):
    """A weight that starts orthonormal."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(256, 128)))


def parametrised(orthogonal_map: str) -> Callable[[], nn.Module]:
    """A weight under PyTorch's own parametrization."""
    return lambda: parametrizations.orthogonal(
        PlainWeight(), "weight", orthogonal_map=orthogonal_map, use_trivialization=orthogonal_map == "cayley"
    )


def plain(module: nn.Module) -> Tensor:
    """The weight as the module gives it."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def factor(module: nn.Module) -> Tensor:
    """The Q factor of the weight."""
    assert isinstance(module, BiMap)
    return module.orthonormal_weight()


@dataclass(frozen=True)
class Way:
    """How a weight is made and read, and whether it is pulled back by QR after the optimizer's step."""

    make: Callable[[], nn.Module]
    read: Callable[[nn.Module], Tensor] = plain
    retract: bool = False


WAYS = {
    "free weight": Way(PlainWeight),
    "QR retraction after each step": Way(PlainWeight, retract=True),
    "torch parametrization, householder": Way(parametrised("householder")),
    "torch parametrization, cayley": Way(parametrised("cayley")),
    "Q factor of a free matrix": Way(lambda: BiMap(256, 128), factor),
}


def error(weight: Tensor) -> float:
    """Largest entry of ``W^T W - I``."""
    exact = weight.detach().double()
    return float((exact.mT @ exact - torch.eye(exact.shape[1], dtype=torch.double)).abs().max())


def train(way: Way, covariances: Tensor, target: Tensor, weight_decay: float) -> tuple[nn.Module, float, float]:
    """The module after training, milliseconds a step, and the last loss."""
    torch.manual_seed(1)
    module = way.make()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, weight_decay=weight_decay)
    loss = torch.zeros(())
    start = time.perf_counter()
    for _ in range(STEPS):
        weight = way.read(module)
        loss = (weight.mT @ covariances @ weight - target).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if way.retract:
            with torch.no_grad():
                q, r = torch.linalg.qr(plain(module))
                plain(module).copy_(q * r.diagonal().sign())
    return module, (time.perf_counter() - start) / STEPS * 1e3, loss.item()


def average_with_another(way: Way, module: nn.Module) -> None:
    """Move the parameters half way to those of a new module, as an average of weights does."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter, other in zip(module.parameters(), way.make().parameters(), strict=True):
            parameter.lerp_(other, 0.5)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    covariances = covariance_pool(torch.randn(8, 256, 12, 12))
    target = torch.randn(8, 128, 128)
    target = target + target.mT
    print("| way | weight decay | ms a step | error | error of an average | loss |\n|---|---|---|---|---|---|")
    for weight_decay in (0.0, 5e-3):
        for name, way in WAYS.items():
            module, milliseconds, loss = train(way, covariances, target, weight_decay)
            trained = error(way.read(module))
            average_with_another(way, module)
            averaged = error(way.read(module))
            print(f"| {name} | {weight_decay} | {milliseconds:.1f} | {trained:.0e} | {averaged:.0e} | {loss:.3f} |")


if __name__ == "__main__":
    main()
