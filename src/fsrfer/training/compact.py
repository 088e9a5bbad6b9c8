"""Training the compact network: a face is seen once, or sharp and shrunk at once, and views follow the first or a teacher.

With a fixed extractor this is the paper's setting (arXiv:2004.02234, section 3) on a smaller feature; with a trained one the
extractor learns all sizes while the generator lifts what it makes of small faces.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from fsrfer.degradation import camera
from fsrfer.degradation.resize import BatchDegrader
from fsrfer.losses import (
    adversarial_loss,
    attention_loss,
    classification_aware_weight,
    classification_loss,
    distillation_loss,
    feature_loss,
    levelled,
    perceptual_loss,
)
from fsrfer.networks.compact import CompactNet, CompactOutput, last_side
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.training import augment
from fsrfer.training.compute import (
    descend,
    freeze,
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

VALIDATION_FACTORS, VALIDATION_FACES = (1, 2, 4, 8), 1000
CRITIC_WIDTHS, CRITIC_HIDDEN = (64, 64), 64


@dataclass(frozen=True, slots=True)
class Views:
    """One process's part of a batch: N faces, each in 1 + V views; the N first views lead, sharp where others follow.

    Attributes:
        faces: float, N (1 + V) x C x S x S, values 0..255.
        log2_px: N (1 + V), base-2 logarithm of the true effective heights.
        votes: N (1 + V) x 7, label distributions.
        labels: long, N (1 + V).
        sharp: N.
    """

    faces: Tensor
    log2_px: Tensor
    votes: Tensor
    labels: Tensor
    sharp: int


@dataclass(frozen=True, slots=True)
class Target:
    """What the teachers make of the first views, once for each view that follows; closed to gradients."""

    lifted: Tensor
    embedding: Tensor
    logits: Tensor


class CompactTrainer:
    """A `loop.Trainee` that trains one `CompactNet` by one recipe.

    Args:
        fabric: where and how precisely to compute.
        recipe: the experiment.
        network: as the recipe describes it, with its starting weights.
        teachers: none where the network teaches itself; of several only the answers can be followed.
        train: the training faces, at the recipe's size and colour.
        valid: faces to watch.
    """

    def __init__(
        self,
        fabric: Fabric,
        recipe: CompactRecipe,
        network: CompactNet,
        teachers: Sequence[CompactNet],
        train: Faces,
        valid: Faces,
    ) -> None:
        self.fabric, self.recipe, self.train, self.valid = fabric, recipe, train, valid
        self.network = to_channels_last(network)
        self.teachers = [to_channels_last(freeze(teacher)) for teacher in teachers]
        for one in (network, *self.teachers):
            fabric.to_device(one)
        self.fixed = recipe.extractor == "fixed"
        if self.fixed:
            for part in (network.stem, network.stages, network.head):
                part.requires_grad_(False)
        self.optimizer = open_optimizer(network, recipe.optimizer)
        self.average = WeightAverage(network, recipe.optimizer.ema_decay)
        self.degrade = BatchDegrader(recipe.input.size, fabric.device)
        # A class that no face has would have an endless logarithm.
        self.class_shares = train.votes.mean(0).clamp(min=1 / len(train)).to(fabric.device)
        self.camera = camera.CameraDegrader(recipe.input.size, fabric.device)
        self.critic = _Critic(fabric, recipe) if recipe.losses.adversarial else None

    def train_step(self, step: int) -> dict[str, float]:
        """One step of descent on all views of one batch of faces."""
        settings = self.recipe.optimizer
        rate = settings.learning_rate * warmup_cosine(step, settings.warmup_steps, self.recipe.loop.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seed_everything(self.recipe.seed, f"layers/{self.fabric.global_rank}", step)
        views = self.views(step)
        output = self._analyse(views.faces)
        losses = self.losses(views, output, step)
        descend(self.fabric, torch.stack(list(losses.values())).sum(), self.network, self.optimizer)
        self.average.update(self.network, step)
        return {name: mean_over_processes(self.fabric, value) for name, value in losses.items()}

    def losses(self, views: Views, output: CompactOutput, step: int) -> dict[str, Tensor]:
        """The losses of one batch, each with its coefficient; those whose coefficient is 0 are left out."""
        settings = self.recipe.losses
        losses = {}
        if settings.size:
            losses["size"] = settings.size * F.smooth_l1_loss(output.log2_px, views.log2_px)
        if settings.classification:
            answers = levelled(output.logits, self.class_shares, settings.balance)
            losses["classification"] = settings.classification * classification_loss(answers, views.votes)
        # A network that teaches itself has nothing to learn from its own sharp view.
        first = 0 if self.teachers else views.sharp
        followers = slice(first, len(views.labels))
        if first == len(views.labels):
            return losses
        target = self._target(views, output, (len(views.labels) - first) // views.sharp)
        lifted, logits = output.lifted[followers], output.logits[followers]
        weights = classification_aware_weight(logits, views.labels[followers]) if settings.reweight else None
        if settings.feature:
            losses["feature"] = feature_loss(lifted, target.lifted, weights, coefficient=settings.feature)
        if settings.attention:
            losses["attention"] = attention_loss(lifted, target.lifted, weights, coefficient=settings.attention)
        if settings.perceptual:
            embedding = output.embedding[followers]
            losses["perceptual"] = perceptual_loss(
                embedding, target.embedding, weights, coefficient=settings.perceptual
            )
        if settings.distillation:
            divergence = distillation_loss(logits, target.logits, weights, temperature=settings.temperature)
            losses["distillation"] = settings.distillation * divergence
        if self.critic is not None:
            losses["adversarial"] = self.critic.generator_loss(target.lifted, lifted, weights, step)
        return losses

    def views(self, step: int) -> Views:
        """This process's part of the batch at a step."""
        recipe, device = self.recipe, self.fabric.device
        size = recipe.loop.batch_size
        rows = own_rows(self.fabric, size)
        indices = batch_indices(recipe.seed, step, len(self.train), size)[rows]
        changes = augment.draw(size, recipe.augmentation, generator(recipe.seed, "augment", step))[rows]
        sharp = augment.apply(as_maps(self.train.pixels[indices]).to(device).float(), changes.to(device))
        views = [self._first_view(sharp, indices, step)]
        views += [self._shrunk_view(sharp, indices, f"view/{view}", step) for view in range(recipe.views.shrunk)]
        return Views(
            faces=torch.cat([faces for faces, _ in views]).contiguous(memory_format=torch.channels_last),
            log2_px=torch.cat([px for _, px in views]).log2().to(device),
            votes=self.train.votes[indices].repeat(len(views), 1).to(device),
            labels=self.train.labels[indices].repeat(len(views)).to(device),
            sharp=len(indices),
        )

    def _first_view(self, sharp: Tensor, indices: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Faces (N x C x S x S) and their heights in pixels (N): sharp by the recipe's share, else shrunk."""
        faces = torch.floor(sharp + 0.5)
        px = self.degrade.small_sizes(torch.ones(len(indices)), self.train.heights[indices]).float()
        share, size = self.recipe.views.sharp_share, self.recipe.loop.batch_size
        if share == 1:
            return faces, px
        drawn = torch.rand(size, generator=generator(self.recipe.seed, "sharp", step))
        kept = drawn[own_rows(self.fabric, size)] < share
        shrunk, shrunk_px = self._shrunk_view(sharp, indices, "view/first", step)
        return torch.where(kept.to(faces.device)[:, None, None, None], faces, shrunk), torch.where(kept, px, shrunk_px)

    def _shrunk_view(self, sharp: Tensor, indices: Tensor, chance: str, step: int) -> tuple[Tensor, Tensor]:
        """Faces (N x C x S x S), each shrunk by a factor of its own, and their effective heights in pixels (N)."""
        recipe, size = self.recipe, self.recipe.loop.batch_size
        rows, drawn = own_rows(self.fabric, size), generator(recipe.seed, chance, step)
        factors = (1 + torch.rand(size, generator=drawn) * (recipe.views.max_factor - 1))[rows]
        spoiled = camera.draw(size, camera.CameraSettings(**recipe.camera.model_dump()), drawn)[rows]
        small = self.degrade.small_sizes(factors, self.train.heights[indices])
        return self.camera(sharp, small.to(self.fabric.device), spoiled), camera.effective_sizes(small, spoiled)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Accuracy of the averaged weights at a few factors, and the error of the effective size in octaves."""
        faces = as_maps(self.valid.pixels[:VALIDATION_FACES]).to(self.fabric.device).float()
        heights, labels = self.valid.heights[:VALIDATION_FACES], self.valid.labels[:VALIDATION_FACES]
        figures, errors = {}, []
        with self.average.applied_to(self.network):
            self.network.eval()
            for factor in VALIDATION_FACTORS:
                small = self.degrade.small_sizes(torch.full((len(faces),), float(factor)), heights)
                answers, log2_px = self._answers(faces, small.to(self.fabric.device))
                figures[f"accuracy_x{factor}"] = float((answers.cpu() == labels).float().mean())
                errors.append((log2_px.cpu() - small.log2()).abs().mean())
        figures["size_error"] = float(torch.stack(errors).mean())
        return figures

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser, average, and the discriminator where there is one."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
        }
        return state if self.critic is None else {**state, "critic": self.critic.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put a saved state back."""
        self.network.load_state_dict(state["network"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.average.load_state_dict(state["average"])
        if self.critic is not None:
            self.critic.load_state_dict(state["critic"])

    def _analyse(self, faces: Tensor) -> CompactOutput:
        self.network.train()
        with self.fabric.autocast():
            if not self.fixed:
                return _single(self.network.analyse(faces))
            for part in (self.network.stem, self.network.stages):
                part.eval()
            return _single(self.network.lift(*self.network.extract(faces)))

    @torch.no_grad()
    def _target(self, views: Views, output: CompactOutput, times: int) -> Target:
        if self.teachers:
            first = views.faces[: views.sharp]
            looks = (first, first.flip(-1)) if self.recipe.losses.distillation else (first,)
            with self.fabric.autocast():
                seen = [_single(teacher.analyse(look)) for teacher in self.teachers for look in looks]
            lifted, embedding = seen[0].lifted, seen[0].embedding
            logits = torch.stack([output.logits for output in seen]).mean(0)
        else:
            lifted, embedding = output.lifted[: views.sharp].detach(), output.embedding[: views.sharp].detach()
            logits = self.network.head(embedding)  # without dropout: the answer, not a sample of it
        return Target(lifted.repeat(times, 1, 1, 1), embedding.repeat(times, 1), logits.repeat(times, 1))

    def _answers(self, faces: Tensor, small: Tensor) -> tuple[Tensor, Tensor]:
        outputs = []
        for part, sizes in zip(torch.split(faces, 128), torch.split(small, 128), strict=True):
            inputs = self.degrade(part, sizes).contiguous(memory_format=torch.channels_last)
            with self.fabric.autocast():
                outputs.append(_single(self.network.analyse(inputs)))
        return torch.cat([o.logits.argmax(1) for o in outputs]), torch.cat([o.log2_px for o in outputs])


class _Critic:
    """The discriminator of lifted maps; the generator feels it only by and by."""

    def __init__(self, fabric: Fabric, recipe: CompactRecipe) -> None:
        self.fabric, self.recipe = fabric, recipe
        side = last_side(recipe.input.size, len(recipe.network.widths), recipe.network.stem_stride)
        torch.manual_seed(recipe.seed + 2)
        shape = (recipe.network.widths[-1], side, side)
        self.discriminator = fabric.to_device(FeatureDiscriminator(shape, CRITIC_WIDTHS, CRITIC_HIDDEN))
        self.loss = adversarial_loss(recipe.losses.adversarial_loss)
        self.optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=recipe.optimizer.learning_rate, betas=(0.0, 0.999)
        )

    def generator_loss(self, feat_hr: Tensor, feat_sr: Tensor, weights: Tensor | None, step: int) -> Tensor:
        """One step of D, then what G has to pay."""
        settings, size = self.recipe.losses, self.recipe.loop.batch_size
        rows = own_rows(self.fabric, size)
        views = len(feat_sr) // (rows.stop - rows.start)
        drawn = torch.rand(views, size, generator=generator(self.recipe.seed, "shares", step))
        shares = drawn[:, rows].flatten().to(feat_sr.device)
        d_loss = self.loss.discriminator_loss(self.discriminator, feat_hr, feat_sr, weights, shares)
        descend(self.fabric, d_loss, self.discriminator, self.optimizer)
        self.discriminator.requires_grad_(False)
        g_loss = self.loss.generator_loss(self.discriminator, feat_hr, feat_sr, weights)
        self.discriminator.requires_grad_(True)
        return settings.adversarial * min(1.0, (step + 1) / (settings.adversarial_ramp + 1)) * g_loss

    def state_dict(self) -> dict[str, Any]:
        return {"discriminator": self.discriminator.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.discriminator.load_state_dict(state["discriminator"])
        restore_optimizer(self.optimizer, state["optimizer"])


def _single(output: CompactOutput) -> CompactOutput:
    """The same in single precision, whatever autocast left."""
    return CompactOutput(*(value.float() for value in _fields(output)))


def _fields(output: CompactOutput) -> Iterable[Tensor]:
    return output.features, output.lifted, output.embedding, output.logits, output.log2_px
