"""Training a classifier on faces of mixed resolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from fsrfer.degradation.resize import BatchDegrader
from fsrfer.evaluation.metrics import score
from fsrfer.losses.classification import classification_loss
from fsrfer.recipes.sections import AugmentationSettings, DegradationSettings, LoopSettings, OptimizerSettings
from fsrfer.training import augment
from fsrfer.training.compute import (
    descend,
    mean_over_processes,
    open_optimizer,
    own_rows,
    restore_optimizer,
    to_channels_last,
)
from fsrfer.training.ema import WeightAverage
from fsrfer.training.faces import Faces, as_maps
from fsrfer.training.randomness import batch_indices, generator, seed_everything
from fsrfer.training.schedule import warmup_cosine

VALIDATION_FACTORS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class ClassifierPlan:
    """What a recipe says of the training of one classifier; ``size`` is the side of its input in pixels."""

    seed: int
    size: int
    degradation: DegradationSettings
    augmentation: AugmentationSettings
    optimizer: OptimizerSettings
    loop: LoopSettings


class ClassifierTrainer:
    """A `loop.Trainee` that trains one network by one plan.

    Args:
        fabric: where and how precisely to compute.
        plan: the experiment.
        network: faces (N x C x S x S, 0..255) to logits.
        train: the training faces, at the plan's size and colour.
        valid: faces to choose by.
    """

    def __init__(self, fabric: Fabric, plan: ClassifierPlan, network: nn.Module, train: Faces, valid: Faces) -> None:
        self.fabric, self.plan, self.train, self.valid = fabric, plan, train, valid
        self.network = fabric.to_device(to_channels_last(network))
        self.optimizer = open_optimizer(network, plan.optimizer)
        self.average = WeightAverage(self.network, plan.optimizer.ema_decay)
        self.degrade = BatchDegrader(plan.size, fabric.device)

    def train_step(self, step: int) -> dict[str, float]:
        """One step of gradient descent on one batch, each face at its own resolution."""
        self._set_learning_rate(step)
        seed_everything(self.plan.seed, f"layers/{self.fabric.global_rank}", step)
        faces, votes = self.batch(step)
        self.network.train()
        loss = classification_loss(self._logits(faces), votes)
        descend(self.fabric, loss, self.network, self.optimizer)
        self.average.update(self.network, step)
        return {"loss": mean_over_processes(self.fabric, loss)}

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """This process's part of the batch at a step: faces (N x C x S x S, 0..255) and label distributions (N x 7)."""
        plan, size = self.plan, self.plan.loop.batch_size
        rows = own_rows(self.fabric, size)
        indices = batch_indices(plan.seed, step, len(self.train), size)[rows]
        changes = augment.draw(size, plan.augmentation, generator(plan.seed, "augment", step))[rows]
        factors = self._factors(step)[rows]
        pixels = as_maps(self.train.pixels[indices]).to(self.fabric.device).float()
        faces = augment.apply(pixels, changes.to(self.fabric.device))
        small = self.degrade.small_sizes(factors, self.train.heights[indices]).to(self.fabric.device)
        votes = self.train.votes[indices].to(self.fabric.device)
        return self.degrade(faces, small).contiguous(memory_format=torch.channels_last), votes

    def validate(self) -> dict[str, float]:
        """Accuracy of the averaged weights at a few factors."""
        labels = self.valid.labels.numpy()
        with self.average.applied_to(self.network):
            return {
                f"accuracy_x{factor}": score(labels, self.probabilities(self.valid, factor)).accuracy
                for factor in VALIDATION_FACTORS
            }

    @torch.no_grad()
    def probabilities(self, faces: Faces, factor: float) -> NDArray[np.float32]:
        """Probabilities of all faces at one factor, float32, N x 7."""
        self.network.eval()
        answers = []
        small_sizes = self.degrade.small_sizes(torch.full((len(faces),), float(factor)), faces.heights)
        for pixels, small in zip(torch.split(faces.pixels, 256), torch.split(small_sizes, 256), strict=True):
            maps = as_maps(pixels).to(self.fabric.device).float()
            inputs = self.degrade(maps, small.to(self.fabric.device)).contiguous(memory_format=torch.channels_last)
            answers.append(self._logits(inputs).softmax(1).cpu().numpy())
        return np.concatenate(answers)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and average."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put a saved state back."""
        self.network.load_state_dict(state["network"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.average.load_state_dict(state["average"])

    def _logits(self, faces: Tensor) -> Tensor:
        with self.fabric.autocast():
            logits: Tensor = self.network(faces)
        return logits.float()

    def _factors(self, step: int) -> Tensor:
        settings, chance = self.plan.degradation, generator(self.plan.seed, "factors", step)
        count = self.plan.loop.batch_size
        factors = 1 + torch.rand(count, generator=chance) * (settings.max_factor - 1)
        return torch.where(torch.rand(count, generator=chance) < settings.sharp_share, torch.ones(count), factors)

    def _set_learning_rate(self, step: int) -> None:
        settings = self.plan.optimizer
        rate = settings.learning_rate * warmup_cosine(step, settings.warmup_steps, self.plan.loop.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
