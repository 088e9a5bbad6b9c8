"""Training the network that tells whether an expression can be told."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fsrfer.networks.legibility import LegibilityNetwork
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.legibility_samples import Samples
from fsrfer.training.pace import Waits
from fsrfer.training.randomness import batch_indices, generator, seed_everything
from fsrfer.training.schedule import set_learning_rate, warmup_cosine
from fsrfer.types import UInt8Image

BATCH = 256


@dataclass(frozen=True, slots=True)
class LegibilityPlan:
    """How long and how quickly the network learns.

    Attributes:
        seed: of the starting weights, the order of the samples, mirror images and dropout.
        max_steps: batches of 256.
        learning_rate: the largest; it rises for a twentieth of the steps, then falls along half a cosine.
        weight_decay: of AdamW.
    """

    seed: int = 1
    max_steps: int = 3000
    learning_rate: float = 3e-3
    weight_decay: float = 0.02


class LegibilityTrainer:
    """A `loop.Trainee`: a batch of samples, each mirrored by chance, and a step of descent on their cross-entropy.

    Args:
        plan: how to learn.
        train: what to learn from.
        valid: samples to watch.
    """

    def __init__(self, plan: LegibilityPlan, train: Samples, valid: Samples) -> None:
        seed_everything(plan.seed, "weights", 0)
        self.plan, self.valid = plan, valid
        self.network = LegibilityNetwork(train.pixels.shape[-1])
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        self.waits = Waits(torch.device("cpu"))
        self._pixels, self._told = torch.from_numpy(train.pixels), torch.from_numpy(train.told)

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {"network": self.network, "optimizer": self.optimizer}

    def train_step(self, step: int) -> dict[str, float]:
        """Learn from one batch."""
        plan = self.plan
        seed_everything(plan.seed, "dropout", step)
        with self.waits.fetching():
            rows = batch_indices(plan.seed, step, len(self._told), BATCH)
            mirrored = torch.rand(BATCH, generator=generator(plan.seed, "mirror", step)) < 0.5
            faces = self._pixels[rows, None].float()
            faces = torch.where(mirrored[:, None, None, None], faces.flip(-1), faces)
        factor = warmup_cosine(step, plan.max_steps // 20, plan.max_steps)
        set_learning_rate(self.optimizer, plan.learning_rate * factor)
        self.network.train()
        loss = F.binary_cross_entropy_with_logits(self.network(faces), self._told[rows])
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return {"loss": loss.item()}

    def validate(self) -> dict[str, float]:
        """Cross-entropy of the samples to watch, and the share of them on the right side of one half."""
        odds, told = torch.from_numpy(log_odds(self.network, self.valid.pixels)), torch.from_numpy(self.valid.told)
        loss = F.binary_cross_entropy_with_logits(odds, told)
        right = ((odds > 0) == (told > 0.5)).float().mean()
        return {"valid_loss": loss.item(), "valid_right": right.item()}


@torch.no_grad()
def log_odds(network: LegibilityNetwork, pixels: UInt8Image, batch: int = 512) -> NDArray[np.float32]:
    """The network's answers: pixels N x S x S to N."""
    network.eval()
    parts: list[Tensor] = [network(part[:, None].float()) for part in torch.split(torch.from_numpy(pixels), batch)]
    answers: NDArray[np.float32] = torch.cat(parts).numpy()
    return answers
