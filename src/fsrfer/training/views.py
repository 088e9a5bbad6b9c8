"""What a network sees of the training faces: each once a step, sharp or shrunk, some of them by a poor camera."""

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.degradation import camera
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
        faces: the training faces, at the network's size and colour.
    """

    def __init__(self, fabric: Fabric, plan: ViewPlan, faces: Faces) -> None:
        self.fabric, self.plan, self.faces = fabric, plan, faces
        self.camera = camera.CameraDegrader(faces.pixels.shape[1], fabric.device)
        self.degrade = BatchDegrader(faces.pixels.shape[1], fabric.device)

    def batch(self, step: int) -> Views:
        """This process's part of the batch at a step."""
        indices, sharp = self.sharp_faces(step)
        return self.collect([self.first_view(sharp, indices, step)], indices)

    def sharp_faces(self, step: int) -> tuple[Tensor, Tensor]:
        """Indices of the step's faces (N), and the faces themselves (N x C x S x S), augmented and not yet shrunk."""
        plan, device = self.plan, self.fabric.device
        rows = own_rows(self.fabric, plan.batch_size)
        indices = batch_indices(plan.seed, step, len(self.faces), plan.batch_size)[rows]
        changes = augment.draw(plan.batch_size, plan.augmentation, generator(plan.seed, "augment", step))[rows]
        return indices, augment.apply(as_maps(self.faces.pixels[indices]).to(device).float(), changes.to(device))

    def first_view(self, sharp: Tensor, indices: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Faces (N x C x S x S) and their heights in pixels (N): sharp by the plan's share, else shrunk."""
        faces = torch.floor(sharp + 0.5)
        px = self.degrade.small_sizes(torch.ones(len(indices)), self.faces.heights[indices]).float()
        share, size = self.plan.views.sharp_share, self.plan.batch_size
        if share == 1:
            return faces, px
        drawn = torch.rand(size, generator=generator(self.plan.seed, "sharp", step))
        kept = drawn[own_rows(self.fabric, size)] < share
        shrunk, shrunk_px = self.shrunk_view(sharp, indices, "view/first", step)
        return torch.where(kept.to(faces.device)[:, None, None, None], faces, shrunk), torch.where(kept, px, shrunk_px)

    def shrunk_view(self, sharp: Tensor, indices: Tensor, chance: str, step: int) -> tuple[Tensor, Tensor]:
        """Faces (N x C x S x S), each shrunk by a factor of its own, and their effective heights in pixels (N).

        Args:
            sharp, indices: of the same N.
            chance: keeps the draws of different views apart.
            step: of the training.
        """
        plan, size = self.plan, self.plan.batch_size
        rows, drawn = own_rows(self.fabric, size), generator(plan.seed, chance, step)
        factors = (1 + torch.rand(size, generator=drawn) * (plan.views.max_factor - 1))[rows]
        spoiled = camera.draw(size, camera.CameraSettings(**plan.camera.model_dump()), drawn)[rows]
        small = self.degrade.small_sizes(factors, self.faces.heights[indices])
        return self.camera(sharp, small.to(self.fabric.device), spoiled), camera.effective_sizes(small, spoiled)

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
