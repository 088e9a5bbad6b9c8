"""Randomness as a function of (seed, purpose, step), so that a resumed run draws what the first run would have drawn."""

import hashlib
from functools import lru_cache

import torch


def generator(seed: int, purpose: str, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one purpose at one step; on another device than the CPU it draws other numbers."""
    return torch.Generator(device).manual_seed(_mix(seed, purpose, step))


def seed_everything(seed: int, purpose: str, step: int) -> None:
    """Seed torch's global generators, which layers such as dropout draw from."""
    torch.manual_seed(_mix(seed, purpose, step))


def batch_indices(seed: int, step: int, count: int, batch_size: int) -> torch.Tensor:
    """Indices of the batch at a step: each pass over the data is a fresh permutation.

    Returns:
        long, batch_size; a batch may reach into the next pass.
    """
    start = step * batch_size
    epochs = range(start // count, (start + batch_size - 1) // count + 1)
    order = torch.cat([_order(seed, epoch, count) for epoch in epochs])
    first = start - (start // count) * count
    return order[first : first + batch_size]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> torch.Tensor:
    """One pass over the data; kept, for every step of the pass asks."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def _mix(seed: int, purpose: str, step: int) -> int:
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
