"""Training a network whose shrunk views follow what it, or its start, makes of the sharp one.

With a fixed extractor this is the paper's setting (arXiv:2004.02234, section 3) on a smaller feature; with a trained one the
extractor learns all sizes while the generator lifts what it makes of small faces.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.comparison.critic import Critic
from fsrfer.losses import (
    attention_loss,
    classification_aware_weight,
    classification_loss,
    distillation_loss,
    feature_loss,
    logit_adjustment,
    perceptual_loss,
)
from fsrfer.networks.residual import ResidualNet, ResidualOutput
from fsrfer.recipes.comparison import ComparisonRecipe
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer, size_error
from fsrfer.training.compute import place
from fsrfer.training.faces import Faces
from fsrfer.training.views import ViewPlan, Views


@dataclass(frozen=True, slots=True)
class Target:
    """What the teacher makes of the sharp views, once for each view that follows; closed to gradients."""

    lifted: Tensor
    embedding: Tensor
    logits: Tensor


class FollowingTrainer(ClassifierTrainer):
    """A `ClassifierTrainer` on several views of each face, with losses between them.

    Args:
        fabric: where and how precisely to compute.
        recipe: the rival.
        network: as the recipe describes it, with the weights of the start.
        teacher: the start, frozen, where the recipe follows it; None where the network follows itself.
        train: the training faces, at the recipe's size and colour.
        valid: faces to watch.
    """

    network: ResidualNet

    def __init__(
        self,
        fabric: Fabric,
        recipe: ComparisonRecipe,
        network: ResidualNet,
        teacher: ResidualNet | None,
        train: Faces,
        valid: Faces,
    ) -> None:
        self.recipe, self.teacher = recipe, teacher
        self.fixed = recipe.extractor == "fixed"
        if self.fixed:
            for part in (network.stem, network.stages, network.head):
                part.requires_grad_(False)
        seen = ViewPlan(recipe.seed, recipe.loop.batch_size, recipe.views, recipe.camera, recipe.augmentation)
        plan = ClassifierPlan(recipe.seed, seen, recipe.optimizer, recipe.loop, recipe.losses.size_loss)
        super().__init__(fabric, plan, network, train, valid)
        if teacher is not None:
            place(fabric, teacher)
        # A class that no face has would have an endless logarithm.
        self.class_shares = train.votes.mean(0).clamp(min=1 / len(train)).to(fabric.device)
        self.critic = Critic(fabric, recipe) if recipe.losses.adversarial else None

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {**super().parts, **(self.critic.parts if self.critic else {})}

    def losses(self, step: int) -> dict[str, Tensor]:
        """The losses of the step's batch, each with its coefficient; those whose coefficient is 0 are left out."""
        with self.waits.fetching():
            indices, sharp = self.views.sharp_faces(step)
            seen = [self.views.first_view(sharp, indices, step)]
            for view in range(self.recipe.views.shrunk):
                seen.append(self.views.shrunk_view(sharp, indices, f"view/{view}", step))
            views = self.views.collect(seen, indices)
        return self.losses_of(views, len(indices), self.analyse(views.faces), step)

    def losses_of(self, views: Views, sharp: int, output: ResidualOutput, step: int) -> dict[str, Tensor]:
        """The losses of views of which the first ``sharp`` lead, and the others follow."""
        settings, losses = self.recipe.losses, {}
        if settings.size_loss:
            losses["size"] = settings.size_loss * size_error(output, views)
        if settings.classification:
            answers = logit_adjustment(output.logits.float(), self.class_shares, settings.logit_adjustment)
            losses["classification"] = settings.classification * classification_loss(answers, views.votes)
        # A network that follows itself has nothing to learn from its own sharp view.
        followers = slice(sharp if self.teacher is None else 0, len(views.labels))
        if len(views.labels[followers]) == 0 or not (settings.follows_maps or settings.distillation):
            return losses
        target = self._target(views.faces[:sharp], output, len(views.labels[followers]) // sharp)
        return {**losses, **self._following(views.labels[followers], output, followers, target, step)}

    def _following(
        self, labels: Tensor, output: ResidualOutput, followers: slice, target: Target, step: int
    ) -> dict[str, Tensor]:
        settings, losses = self.recipe.losses, {}
        lifted, logits = output.lifted[followers].float(), output.logits[followers].float()
        weights = classification_aware_weight(logits, labels) if settings.reweight else None
        if settings.feature:
            losses["feature"] = feature_loss(lifted, target.lifted, weights, coefficient=settings.feature)
        if settings.attention:
            losses["attention"] = attention_loss(lifted, target.lifted, weights, coefficient=settings.attention)
        if settings.perceptual:
            embedding = output.embedding[followers].float()
            losses["perceptual"] = perceptual_loss(
                embedding, target.embedding, weights, coefficient=settings.perceptual
            )
        if settings.distillation:
            divergence = distillation_loss(logits, target.logits, weights, temperature=settings.temperature)
            losses["distillation"] = settings.distillation * divergence
        if self.critic is not None:
            losses["adversarial"] = self.critic.generator_loss(target.lifted, lifted, weights, step)
        return losses

    def analyse(self, faces: Tensor) -> ResidualOutput:
        """What the network makes of faces, in training; a fixed extractor stays closed to gradients, the sizes do not."""
        self.network.train()
        with self.fabric.autocast():
            if not self.fixed:
                output = self.compute(faces)
                assert isinstance(output, ResidualOutput)
                return output
            standardized = self.network.standardize(faces)
            with torch.no_grad():
                features = self.network.stages.eval()(self.network.stem.eval()(standardized))
            return self.network.lift(features, self.network.effective_size(standardized))

    @torch.no_grad()
    def _target(self, sharp: Tensor, output: ResidualOutput, times: int) -> Target:
        """What the teacher makes of the sharp views; of answers, the mean of a face and its mirror image."""
        if self.teacher is None:
            lifted, embedding = output.lifted[: len(sharp)].float(), output.embedding[: len(sharp)].float()
            logits = self.network.head(embedding)  # without dropout: the answer, not a sample of it
        else:
            with self.fabric.autocast():
                seen, mirrored = self.teacher.analyse(sharp), self.teacher(sharp.flip(-1))
            lifted, embedding = seen.lifted.float(), seen.embedding.float()
            logits = (seen.logits.float() + mirrored.float()) / 2
        return Target(lifted.repeat(times, 1, 1, 1), embedding.repeat(times, 1), logits.repeat(times, 1))
