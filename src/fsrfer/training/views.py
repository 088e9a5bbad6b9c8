"""What a network sees of the training faces: each once a step, sharp or shrunk, some of them by a poor camera."""

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.degradation import camera
from fsrfer.degradation.batch_camera import BLOCK, BatchCamera, on_device
from fsrfer.degradation.resize import BatchDegrader
from fsrfer.recipes.sections import AugmentationSettings, CameraSettings, ViewSettings
from fsrfer.training import augment
from fsrfer.training.compute import own_rows
from fsrfer.training.faces import Faces, as_maps
from fsrfer.training.randomness import batch_indices, generator


@dataclass(frozen=True, slots=True)
class Views:
    """One process's part of a batch.

    Attributes:
        faces: float, N x C x S x S, values 0..255.
        log2_px: N, base-2 logarithm of the true effective heights.
        votes: N x 7, label distributions.
        labels: long, N.
        weights: N, of the labels in the loss; None where all count alike.
    """

    faces: Tensor
    log2_px: Tensor
    votes: Tensor
    labels: Tensor
    weights: Tensor | None = None


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """What a recipe says of the views of one training."""

    seed: int
    batch_size: int
    views: ViewSettings
    camera: CameraSettings
    augmentation: AugmentationSettings


class ViewSampler:
    """Draws batches of views, each a function of (seed, step) alone; processes share a batch.

    Args:
        fabric: says which rows of a batch are this process's, and where it computes.
        plan: of the views.
        faces: the training faces, at the network's size and colour. They are moved to where it computes.
        batched: whether cameras work there too, for which faces must be grey; None for where that is quicker: not on the CPU.
    """

    def __init__(self, fabric: Fabric, plan: ViewPlan, faces: Faces, batched: bool | None = None) -> None:
        self.fabric, self.plan, self.faces = fabric, plan, faces.to(fabric.device)
        size, grey = faces.pixels.shape[1], faces.pixels.ndim == 3
        batched = grey and fabric.device.type != "cpu" if batched is None else batched
        self.camera = camera.CameraDegrader(size, fabric.device)
        self.batch_camera = BatchCamera(size, fabric.device) if batched else None
        self.degrade = BatchDegrader(size, fabric.device)

    def batch(self, step: int) -> Views:
        """This process's part of the batch at a step."""
        indices, sharp = self.sharp_faces(step)
        return self.collect([self.first_view(sharp, indices, step)], indices)

    def sharp_faces(self, step: int) -> tuple[Tensor, Tensor]:
        """Indices of the step's faces (N), and the faces themselves (N x C x S x S), augmented and not yet shrunk."""
        plan, device = self.plan, self.fabric.device
        rows = own_rows(self.fabric, plan.batch_size)
        indices = batch_indices(plan.seed, step, len(self.faces), plan.batch_size)[rows].to(device, non_blocking=True)
        changes = augment.draw(plan.batch_size, plan.augmentation, generator(plan.seed, "augment", step))[rows]
        return indices, augment.apply(as_maps(self.faces.pixels[indices]).to(device).float(), changes.to(device))

    def first_view(self, sharp: Tensor, indices: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Faces (N x C x S x S) and their heights in pixels (N): sharp by the plan's share, else shrunk."""
        faces = torch.floor(sharp + 0.5)
        px = self.degrade.small_sizes(
            torch.ones(len(indices), device=faces.device), self.faces.heights[indices]
        ).float()
        share, size = self.plan.views.sharp_share, self.plan.batch_size
        if share == 1:
            return faces, px
        drawn = torch.rand(size, generator=generator(self.plan.seed, "sharp", step))
        kept = (drawn[own_rows(self.fabric, size)] < share).to(faces.device, non_blocking=True)
        shrunk, shrunk_px = self.shrunk_view(sharp, indices, "view/first", step)
        return torch.where(kept[:, None, None, None], faces, shrunk), torch.where(kept, px, shrunk_px)

    def shrunk_view(self, sharp: Tensor, indices: Tensor, chance: str, step: int) -> tuple[Tensor, Tensor]:
        """Faces (N x C x S x S), each shrunk by a factor of its own, and their effective heights in pixels (N).

        Args:
            sharp, indices: of the same N.
            chance: keeps the draws of different views apart.
            step: of the training.
        """
        plan, size, device = self.plan, self.plan.batch_size, self.fabric.device
        rows, drawn = own_rows(self.fabric, size), generator(plan.seed, chance, step)
        factors = (1 + torch.rand(size, generator=drawn) * (plan.views.max_factor - 1))[rows]
        spoiled = camera.draw(size, camera.CameraSettings(**plan.camera.model_dump()), drawn)[rows]
        small = self.degrade.small_sizes(factors.to(device, non_blocking=True), self.faces.heights[indices])
        if self.batch_camera is None:
            return self.camera(sharp, small, spoiled), camera.effective_sizes(small, spoiled)
        there = on_device(spoiled, device)
        noise, places = self._chances(len(sharp), chance, step)
        return self.batch_camera(sharp, small, there, noise, places), camera.effective_sizes(small, there)

    def _chances(self, count: int, chance: str, step: int) -> tuple[Tensor, Tensor]:
        """Noise and places for `BatchCamera`, drawn where it computes."""
        device, size = self.fabric.device, self.faces.pixels.shape[1]
        drawn = generator(self.plan.seed, f"{chance}/noise/{self.fabric.global_rank}", step, device)
        noise = torch.randn(count, 1, size, size, generator=drawn, device=device)
        return noise, torch.randint(BLOCK, (count, 2), generator=drawn, device=device)

    def collect(self, views: list[tuple[Tensor, Tensor]], indices: Tensor) -> Views:
        """One or more views of the same faces, one after another, with their labels."""
        device, weights = self.fabric.device, self.faces.weights
        return Views(
            faces=torch.cat([faces for faces, _ in views]).contiguous(memory_format=torch.channels_last),
            log2_px=torch.cat([px for _, px in views]).log2().to(device),
            votes=self.faces.votes[indices].repeat(len(views), 1).to(device),
            labels=self.faces.labels[indices].repeat(len(views)).to(device),
            weights=None if weights is None else weights[indices].repeat(len(views)).to(device),
        )
