"""Pairs of one face at high and at low resolution: every training face appears at every factor."""

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.degradation.resize import BatchDegrader
from fsrfer.training.compute import own_rows
from fsrfer.training.faces import Faces, as_maps
from fsrfer.training.randomness import batch_indices, generator


@dataclass(frozen=True, slots=True)
class Pairs:
    """A batch of pairs.

    Attributes:
        hr, lr: float, N x C x S x S, values 0..255; ``lr`` was shrunk and brought back.
        labels: long, N.
        shares: float, N, drawn from 0..1: where between its two features each face's mixed feature lies.
    """

    hr: Tensor
    lr: Tensor
    labels: Tensor
    shares: Tensor


class PairSampler:
    """Draws batches of pairs, each a function of (seed, stage, step) alone.

    Args:
        fabric: says which rows of a batch are this process's.
        faces: the training faces. They are moved to where it computes.
        factors: of down-sampling; one pass shows each face once at each.
        flip: whether faces are mirrored at random.
        seed: of the recipe.
        stage: keeps the draws of different stages apart.
    """

    def __init__(self, fabric: Fabric, faces: Faces, factors: list[int], *, flip: bool, seed: int, stage: str) -> None:
        self.fabric, self.faces = fabric, faces.to(fabric.device)
        self.flip, self.seed, self.stage = flip, seed, stage
        self.factors = torch.tensor(factors, dtype=torch.float32)
        self.degrade = BatchDegrader(faces.pixels.shape[1], fabric.device)

    def batch(self, step: int, batch_size: int) -> Pairs:
        """This process's part of the batch at a step."""
        rows, chance = own_rows(self.fabric, batch_size), generator(self.seed, f"pairs/{self.stage}", step)
        mirrored = (torch.rand(batch_size, generator=chance) < 0.5)[rows] & self.flip
        shares = torch.rand(batch_size, generator=chance)[rows]
        drawn = batch_indices(self.seed, step, len(self.faces) * len(self.factors), batch_size)[rows]
        device = self.fabric.device
        chosen = (drawn // len(self.factors), self.factors[drawn % len(self.factors)], mirrored, shares)
        indices, factors, mirrored, shares = (draw.to(device, non_blocking=True) for draw in chosen)
        faces = as_maps(self.faces.pixels[indices]).float()
        hr = torch.where(mirrored[:, None, None, None], faces.flip(-1), faces)
        lr = self.degrade(hr, self.degrade.small_sizes(factors, self.faces.heights[indices]))
        return Pairs(hr, lr, self.faces.labels[indices], shares)
