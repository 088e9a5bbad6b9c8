"""Augmentation in batches: all chances are drawn for the whole batch first, then applied where the batch lives."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from fsrfer.recipes.sections import AugmentationSettings


@dataclass(frozen=True, slots=True)
class Draws:
    """What was drawn for each of N faces: float tensors of shape N (``erase``: N x 4, centre and half size, 0..1)."""

    mirror: Tensor
    angle: Tensor
    zoom: Tensor
    shift_x: Tensor
    shift_y: Tensor
    gamma: Tensor
    erase: Tensor

    def __getitem__(self, rows: slice) -> "Draws":
        return Draws(*(getattr(self, item.name)[rows] for item in fields(self)))

    def to(self, device: torch.device) -> "Draws":
        """The same on another device."""
        return Draws(*(getattr(self, item.name).to(device, non_blocking=True) for item in fields(self)))


def draw(count: int, settings: AugmentationSettings, generator: torch.Generator) -> Draws:
    """Draw the changes of ``count`` faces."""

    def uniform(extent: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * extent

    mirror = (
        torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0) if settings.flip else torch.ones(count)
    )
    erased = torch.rand(count, generator=generator) < settings.erase
    erase = torch.rand(count, 4, generator=generator)
    erase[:, 2:] = (0.06 + 0.14 * erase[:, 2:]) * erased[:, None]
    return Draws(
        mirror=mirror,
        angle=uniform(math.radians(settings.rotation)),
        zoom=1 + uniform(settings.scale),
        shift_x=uniform(2 * settings.shift),
        shift_y=uniform(2 * settings.shift),
        gamma=torch.exp(uniform(math.log1p(settings.gamma))),
        erase=erase,
    )


def apply(faces: Tensor, draws: Draws) -> Tensor:
    """Apply the changes.

    Args:
        faces: float, N x C x S x S, values 0..255.
        draws: of the same N.

    Returns:
        the same shape and range.
    """
    grid = F.affine_grid(_affine(draws), list(faces.shape), align_corners=False)
    moved = F.grid_sample(faces, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 255)
    toned = 255 * (moved / 255).pow(draws.gamma[:, None, None, None])
    return _erased(toned, draws.erase)


def _affine(draws: Draws) -> Tensor:
    cos, sin = torch.cos(draws.angle) / draws.zoom, torch.sin(draws.angle) / draws.zoom
    rows = (cos * draws.mirror, -sin, draws.shift_x, sin * draws.mirror, cos, draws.shift_y)
    return torch.stack(rows, 1).reshape(-1, 2, 3)


def _erased(faces: Tensor, erase: Tensor) -> Tensor:
    places = (torch.arange(faces.shape[-1], device=faces.device) + 0.5) / faces.shape[-1]
    across = (places - erase[:, 0:1]).abs() < erase[:, 2:3]  # N x S
    down = (places - erase[:, 1:2]).abs() < erase[:, 3:4]
    hidden = (down[:, :, None] & across[:, None, :])[:, None]
    return torch.where(hidden, faces.mean((2, 3), keepdim=True), faces)
