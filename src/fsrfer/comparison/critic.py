"""The discriminator of lifted maps, for rivals that learn against one."""

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.losses.adversarial import adversarial_loss
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.residual import last_side
from fsrfer.recipes.comparison import ComparisonRecipe
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.compute import descend, own_rows
from fsrfer.training.randomness import generator

WIDTHS, HIDDEN = (64, 64), 64


class Critic:
    """A discriminator and its optimiser; its weight in the generator's loss ramps up linearly."""

    def __init__(self, fabric: Fabric, recipe: ComparisonRecipe) -> None:
        self.fabric, self.recipe = fabric, recipe
        widths = recipe.architecture.widths
        side = last_side(recipe.input.size, len(widths), recipe.architecture.stem_stride)
        torch.manual_seed(recipe.seed + 2)
        self.discriminator = fabric.to_device(FeatureDiscriminator((widths[-1], side, side), WIDTHS, HIDDEN))
        self.loss = adversarial_loss(recipe.losses.adversarial_loss)
        self.optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=recipe.optimizer.learning_rate, betas=(0.0, 0.999)
        )

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {"discriminator": self.discriminator, "d_optimizer": self.optimizer}

    def generator_loss(self, feat_hr: Tensor, feat_sr: Tensor, weights: Tensor | None, step: int) -> Tensor:
        """One step of D, then the generator's loss."""
        d_loss = self.loss.discriminator_loss(
            self.discriminator, feat_hr, feat_sr, weights, self.shares(len(feat_sr), step).to(feat_sr.device)
        )
        descend(self.fabric, d_loss, self.discriminator, self.optimizer)
        self.discriminator.requires_grad_(False)
        g_loss = self.loss.generator_loss(self.discriminator, feat_hr, feat_sr, weights)
        self.discriminator.requires_grad_(True)
        settings = self.recipe.losses
        return settings.adversarial * min(1.0, (step + 1) / (settings.adversarial_ramp + 1)) * g_loss

    def shares(self, count: int, step: int) -> Tensor:
        """Where between its two features each of this process's ``count`` mixed features lies, 0..1, at a step."""
        size = self.recipe.loop.batch_size
        rows = own_rows(self.fabric, size)
        views = count // (rows.stop - rows.start)
        return torch.rand(views, size, generator=generator(self.recipe.seed, "shares", step))[:, rows].flatten()
