"""Training the rival that restores pictures: L1 on pixels, all factors in one network (after EDSR, CVPRW 2017)."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.nn import functional as F

from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.fsr import FsrRecipe
from fsrfer.training.compute import descend, mean_over_processes, open_optimizer, restore_optimizer
from fsrfer.training.ema import WeightAverage
from fsrfer.training.faces import Faces, as_maps
from fsrfer.training.pairs import PairSampler
from fsrfer.training.schedule import warmup_cosine

VALIDATION_FACES = 256


class ImageSrTrainer:
    """A `loop.Trainee` that trains one multi-scale restorer on pairs of faces."""

    def __init__(
        self, fabric: Fabric, recipe: FsrRecipe, restorer: ImageSuperResolver, train: Faces, valid: Faces
    ) -> None:
        self.fabric, self.settings, self.valid = fabric, recipe.image_sr, valid
        self.restorer = fabric.to_device(restorer)
        self.optimizer = open_optimizer(restorer, self.settings.optimizer)
        self.average = WeightAverage(restorer, self.settings.optimizer.ema_decay)
        self.sampler = PairSampler(fabric, train, recipe.factors, flip=recipe.flip, seed=recipe.seed, stage="image-sr")

    def train_step(self, step: int) -> dict[str, float]:
        """One step on the mean absolute difference of pixels (0..1)."""
        settings = self.settings
        rate = settings.optimizer.learning_rate * warmup_cosine(
            step, settings.optimizer.warmup_steps, settings.loop.max_steps
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pairs = self.sampler.batch(step, settings.loop.batch_size)
        self.restorer.train()
        with self.fabric.autocast():
            restored = self.restorer(pairs.lr / 255)
        loss = F.l1_loss(restored.float(), pairs.hr / 255)
        descend(self.fabric, loss, self.restorer, self.optimizer)
        self.average.update(self.restorer, step)
        return {"loss": mean_over_processes(self.fabric, loss)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Peak signal-to-noise ratio in dB of restored validation faces, and of bicubic ones, at x4."""
        faces = as_maps(self.valid.pixels[:VALIDATION_FACES]).to(self.fabric.device).float()
        small = self.sampler.degrade.small_sizes(
            torch.full((len(faces),), 4.0), self.valid.heights[:VALIDATION_FACES]
        ).to(self.fabric.device)
        lr = self.sampler.degrade(faces, small)
        with self.average.applied_to(self.restorer):
            restored = self.restorer.eval()(lr / 255) * 255
        return {"psnr_x4": _psnr(restored, faces), "psnr_x4_bicubic": _psnr(lr, faces)}

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and average."""
        return {
            "restorer": self.restorer.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put a saved state back."""
        self.restorer.load_state_dict(state["restorer"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.average.load_state_dict(state["average"])


def _psnr(picture: torch.Tensor, truth: torch.Tensor) -> float:
    return float(-10 * ((picture - truth) / 255).square().mean().log10())
