"""The two stages of feature super-resolution (arXiv:2004.02234, Sec. 3): G alone, then G against D.

The extractor E and its head are fixed throughout. Read `AdversarialTrainer.d_step` and `g_step` beside the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from fsrfer.losses.adversarial import adversarial_loss
from fsrfer.losses.feature import feature_loss, perceptual_loss
from fsrfer.losses.weighting import classification_aware_weight
from fsrfer.networks.covpool import CovPoolModel
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.training.average import MovingAverage
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.compute import compiled, descend, mean_over_processes
from fsrfer.training.faces import Faces, as_maps, spread
from fsrfer.training.pace import Waits
from fsrfer.training.pairs import Pairs, PairSampler
from fsrfer.training.schedule import set_learning_rate, step_decay

VALIDATION_FACES = 1000


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a batch of pairs: N x 1 x d x d; ``labels`` and ``shares`` as in `Pairs`."""

    lr: Tensor
    hr: Tensor
    labels: Tensor
    shares: Tensor


@torch.no_grad()
def extract(fabric: Fabric, fixed: CovPoolModel, pairs: Pairs) -> Features:
    """Features of both members of each pair, by the fixed extractor."""
    with fabric.autocast():
        feat_lr, feat_hr = fixed.features(torch.cat([pairs.lr, pairs.hr])).float().chunk(2)
    return Features(feat_lr, feat_hr, pairs.labels, pairs.shares)


def super_resolve(fabric: Fabric, generator: nn.Module, feat_lr: Tensor) -> Tensor:
    """G's features, in training mode and fp32."""
    generator.train()
    with fabric.autocast():
        feat_sr: Tensor = generator(feat_lr)
    return feat_sr.float()


@torch.no_grad()
def accuracy_by_factor(
    fabric: Fabric, fixed: CovPoolModel, generator: nn.Module, valid: Faces, sampler: PairSampler
) -> dict[str, float]:
    """Accuracy of the fixed head on super-resolved features of (at most a thousand) validation faces."""
    was_training = generator.training
    generator.eval()
    few = spread(valid, VALIDATION_FACES)
    faces, labels = as_maps(few.pixels).to(fabric.device).float(), few.labels.to(fabric.device)
    figures = {}
    for factor in sampler.factors.tolist():
        small = sampler.degrade.small_sizes(torch.full((len(faces),), factor), few.heights).to(fabric.device)
        right = 0
        for part, sizes, truth in zip(*(torch.split(whole, 64) for whole in (faces, small, labels)), strict=True):
            with fabric.autocast():
                feat_sr = generator(fixed.features(sampler.degrade(part, sizes))).float()
            right += int((fixed.head(feat_sr).logits.argmax(1) == truth).sum())
        figures[f"accuracy_x{factor:g}"] = right / len(faces)
    generator.train(was_training)
    return figures


class PretrainingTrainer:
    """G learns to bring features of low resolution near those of high resolution, every face counting alike.

    A `loop.Trainee`; ``fixed`` must be frozen.
    """

    def __init__(
        self,
        fabric: Fabric,
        recipe: PaperRecipe,
        fixed: CovPoolModel,
        generator: FeatureGenerator,
        train: Faces,
        valid: Faces,
    ) -> None:
        self.fabric, self.settings, self.fixed, self.valid = fabric, recipe.pretraining, fixed, valid
        self.generator = fabric.to_device(generator)
        self.compute, self.waits = compiled(fabric, self.generator), Waits(fabric.device)
        self.optimizer = torch.optim.Adam(generator.parameters(), lr=self.settings.learning_rate)
        self.sampler = PairSampler(
            fabric, train, recipe.factors, flip=recipe.flip, seed=recipe.seed, stage="pretraining"
        )

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step on the un-weighted feature loss."""
        settings = self.settings
        set_learning_rate(
            self.optimizer, settings.learning_rate * step_decay(step, settings.milestones, settings.decay)
        )
        with self.waits.fetching():
            pairs = self.sampler.batch(step, settings.loop.batch_size)
        features = extract(self.fabric, self.fixed, pairs)
        loss = feature_loss(super_resolve(self.fabric, self.compute, features.lr), features.hr, coefficient=1.0)
        descend(self.fabric, loss, self.generator, self.optimizer)
        return {"loss": mean_over_processes(self.fabric, loss)}

    def validate(self) -> dict[str, float]:
        """Accuracy of the fixed head on what G makes of validation faces."""
        return accuracy_by_factor(self.fabric, self.fixed, self.generator, self.valid, self.sampler)

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {"generator": self.generator, "optimizer": self.optimizer}


class AdversarialTrainer:
    """G and D against each other, each loss dwelling on the faces that are likely to be misclassified.

    A `loop.Trainee`; ``fixed`` must be frozen. With an adversarial weight of 0 there is no D step.
    """

    def __init__(
        self,
        fabric: Fabric,
        recipe: PaperRecipe,
        fixed: CovPoolModel,
        generator: FeatureGenerator,
        discriminator: FeatureDiscriminator,
        train: Faces,
        valid: Faces,
    ) -> None:
        self.fabric, self.settings, self.fixed, self.valid = fabric, recipe.adversarial, fixed, valid
        self.loss = adversarial_loss(self.settings.loss)
        rate, betas = self.settings.learning_rate, (self.settings.beta1, 0.999)
        self.generator, self.discriminator = fabric.to_device(generator), fabric.to_device(discriminator)
        self.compute, self.waits = compiled(fabric, self.generator), Waits(fabric.device)
        self.g_optimizer = torch.optim.Adam(generator.parameters(), lr=rate, betas=betas)
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=betas)
        self.average = MovingAverage(generator, self.settings.ema_decay)
        self.sampler = PairSampler(
            fabric, train, recipe.factors, flip=recipe.flip, seed=recipe.seed, stage="adversarial"
        )

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One D step and one G step on the same batch."""
        rate = self.settings.learning_rate * step_decay(step, self.settings.milestones, self.settings.decay)
        for optimizer in (self.g_optimizer, self.d_optimizer):
            set_learning_rate(optimizer, rate)
        with self.waits.fetching():
            pairs = self.sampler.batch(step, self.settings.loop.batch_size)
        features = extract(self.fabric, self.fixed, pairs)
        feat_sr = super_resolve(self.fabric, self.compute, features.lr)
        output_sr = self.fixed.head(feat_sr)
        weights = classification_aware_weight(output_sr.logits, features.labels) if self.settings.reweight else None
        losses: dict[str, Tensor] = {}
        if self.settings.weight > 0:
            losses["d_loss"] = self.d_step(features, feat_sr, weights)
        losses.update(self.g_step(features, feat_sr, output_sr.hidden, weights))
        self.average.update(self.generator)
        return losses

    def d_step(self, features: Features, feat_sr: Tensor, weights: Tensor | None) -> Tensor:
        """D learns to tell features of high resolution from generated ones."""
        loss = self.loss.discriminator_loss(self.discriminator, features.hr, feat_sr, weights, features.shares)
        descend(self.fabric, loss, self.discriminator, self.d_optimizer)
        return mean_over_processes(self.fabric, loss)

    def g_step(
        self, features: Features, feat_sr: Tensor, hidden_sr: Tensor, weights: Tensor | None
    ) -> dict[str, Tensor]:
        """G learns to pass for high resolution, to be near it, and to look alike to the fixed head."""
        settings, losses = self.settings, {}
        if settings.weight > 0:
            self.discriminator.requires_grad_(False)
            losses["g_adversarial"] = settings.weight * self.loss.generator_loss(
                self.discriminator, features.hr, feat_sr, weights
            )
        losses["g_feature"] = feature_loss(feat_sr, features.hr, weights, coefficient=settings.feature)
        hidden_hr = self.fixed.head(features.hr).hidden
        losses["g_perceptual"] = perceptual_loss(hidden_sr, hidden_hr, weights, coefficient=settings.perceptual)
        total = torch.stack(list(losses.values())).sum()
        descend(self.fabric, total, self.generator, self.g_optimizer)
        self.discriminator.requires_grad_(True)
        return {name: mean_over_processes(self.fabric, value) for name, value in losses.items()}

    def validate(self) -> dict[str, float]:
        """Accuracy of the fixed head on what the averaged G makes of validation faces."""
        return accuracy_by_factor(self.fabric, self.fixed, self.average.module, self.valid, self.sampler)

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
            "average": self.average,
        }
