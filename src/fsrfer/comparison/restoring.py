"""The rival that restores pictures, at its best: restorer and network trained together, for all sizes."""

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from fsrfer.losses.classification import distillation_loss
from fsrfer.networks.expression import ExpressionNetwork
from fsrfer.networks.residual import ResidualNet
from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.faces import Faces
from fsrfer.training.lessons import Lessons

CHANNELS, BLOCKS = 16, 2
"""Of the restorer: 0.015 GFLOP for a face of 48 pixels, where the study's network behind it takes 0.019 (`networks.cost`)."""


@dataclass(frozen=True, slots=True)
class RestoredOutput:
    """What the network makes of N faces.

    Attributes:
        restored: N x C x S x S, values around 0..255.
        logits: N x num_classes.
        log2_px: N, base-2 logarithm of the estimated effective height in pixels.
    """

    restored: Tensor
    logits: Tensor
    log2_px: Tensor


class RestoringNet(ExpressionNetwork):
    """A network that sees a restored picture. It starts as the network alone, since a new restorer changes nothing.

    Args:
        network: what tells expressions.
        restorer: of pictures with as many channels.

    Shape:
        As `ResidualNet`.
    """

    def __init__(self, network: ResidualNet, restorer: ImageSuperResolver) -> None:
        super().__init__()
        self.network, self.restorer = network, restorer

    def analyse(self, faces: Tensor) -> RestoredOutput:
        """Restored pictures, logits and effective sizes of a batch of faces."""
        restored, seen = 255 * self.restorer(faces / 255), self.network
        features = seen.stages(seen.stem(seen.standardize(restored)))
        # How small a face was is told by the picture that came, not by what was made of it.
        output = seen.lift(features, seen.effective_size(seen.standardize(faces)))
        return RestoredOutput(restored, output.logits, output.log2_px)


def restoring(network: ResidualNet, in_channels: int, seed: int) -> RestoringNet:
    """A network with a new restorer before it."""
    torch.manual_seed(seed)
    return RestoringNet(network, ImageSuperResolver(in_channels, CHANNELS, BLOCKS))


class RestoringTrainer(ClassifierTrainer):
    """A `ClassifierTrainer` on the views of lessons; its restorer learns from the face before it was shrunk, and from all that
    the network behind it learns from.

    Args:
        fabric: where and how precisely to compute.
        plan: the experiment; its views are those of the lessons.
        pixels: coefficient of the distance from the sharp picture.
        answers: of following the teacher's answer to it.
        network: with its starting weights.
        lessons: what it learns from, all made, of sharp faces too; features are not used.
        valid: faces to watch.
    """

    def __init__(
        self,
        fabric: Fabric,
        plan: ClassifierPlan,
        pixels: float,
        answers: float,
        network: RestoringNet,
        lessons: Lessons,
        valid: Faces,
    ) -> None:
        self.pixels, self.answers, self.lessons = pixels, answers, lessons
        super().__init__(fabric, plan, network, lessons.sampler.faces, valid)

    def losses(self, step: int) -> dict[str, Tensor]:
        """The losses of the step's lesson, each with its coefficient."""
        with self.waits.fetching():
            lesson, sharp = self.lessons.at(self.plan.seed, step), self.lessons.sharp_faces(self.plan.seed, step)
        assert lesson.sharp is not None
        output = self.analyse(lesson.views.faces)
        assert isinstance(output, RestoredOutput)
        losses = self.label_losses(output, lesson.views)
        losses["sharp"] = self.answers * distillation_loss(output.logits.float(), lesson.sharp.logits, temperature=1.0)
        losses["pixels"] = self.pixels * F.l1_loss(output.restored.float() / 255, sharp / 255)
        return losses
