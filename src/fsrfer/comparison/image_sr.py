"""Training the rival that restores pictures: L1 on pixels, all factors in one network (after EDSR, CVPRW 2017)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.training import build, loop
from fsrfer.training.average import MovingAverage
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.compute import compiled, descend, freeze, mean_over_processes, open_optimizer
from fsrfer.training.faces import Faces, TrainingData, as_maps, spread
from fsrfer.training.pace import Waits
from fsrfer.training.pairs import PairSampler
from fsrfer.training.schedule import set_learning_rate, warmup_cosine

VALIDATION_FACES = 256


class ImageSrTrainer:
    """A `loop.Trainee` that trains one multi-scale restorer on pairs of faces."""

    def __init__(
        self, fabric: Fabric, recipe: PaperRecipe, restorer: ImageSuperResolver, train: Faces, valid: Faces
    ) -> None:
        self.fabric, self.settings, self.valid = fabric, recipe.image_sr, valid
        self.restorer = fabric.to_device(restorer)
        self.compute, self.waits = compiled(fabric, self.restorer), Waits(fabric.device)
        self.optimizer = open_optimizer(restorer, self.settings.optimizer)
        self.average = MovingAverage(restorer, self.settings.optimizer.ema_decay)
        self.sampler = PairSampler(fabric, train, recipe.factors, flip=recipe.flip, seed=recipe.seed, stage="image-sr")

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step on the mean absolute difference of pixels (0..1)."""
        settings = self.settings
        rate = settings.optimizer.learning_rate * warmup_cosine(
            step, settings.optimizer.warmup_steps, settings.loop.max_steps
        )
        set_learning_rate(self.optimizer, rate)
        with self.waits.fetching():
            pairs = self.sampler.batch(step, settings.loop.batch_size)
        self.restorer.train()
        with self.fabric.autocast():
            restored = self.compute(pairs.lr / 255)
        loss = F.l1_loss(restored.float(), pairs.hr / 255)
        descend(self.fabric, loss, self.restorer, self.optimizer)
        self.average.update(self.restorer)
        return {"loss": mean_over_processes(self.fabric, loss)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Peak signal-to-noise ratio in dB of restored validation faces, and of bicubic ones, at x4."""
        few = spread(self.valid, VALIDATION_FACES)
        faces = as_maps(few.pixels).to(self.fabric.device).float()
        small = self.sampler.degrade.small_sizes(torch.full((len(faces),), 4.0), few.heights).to(self.fabric.device)
        lr = self.sampler.degrade(faces, small)
        restored = self.average.module.eval()(lr / 255) * 255
        return {"psnr_x4": _psnr(restored, faces), "psnr_x4_bicubic": _psnr(lr, faces)}

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {"restorer": self.restorer, "optimizer": self.optimizer, "average": self.average}


def train_image_sr(fabric: Fabric, recipe: PaperRecipe, data: TrainingData, folder: Path) -> ImageSuperResolver:
    """The rival that restores pictures, on the same pairs; frozen."""
    restorer = build.image_super_resolver(recipe)
    trainer = ImageSrTrainer(fabric, recipe, restorer, data.train, data.valid)
    loop.run(fabric, trainer, recipe.image_sr.loop, folder, "image-sr")
    restorer.load_state_dict(trainer.average.module.state_dict())
    return freeze(restorer)


def _psnr(picture: torch.Tensor, truth: torch.Tensor) -> float:
    return float(-10 * ((picture - truth) / 255).square().mean().log10())
