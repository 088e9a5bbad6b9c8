"""Training a network on lessons: beside the votes it follows what strong teachers see in the same views, and answer to them."""

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from fsrfer.losses.weighting import weighted_mean
from fsrfer.networks.residual import ResidualNet, ResidualOutput
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.faces import Faces
from fsrfer.training.lessons import Lessons

TO_TEACHER = "to_teacher"
"""Name, in the network that learns, of the layer from its channels to the teacher's; only training needs it."""


class LessonTrainer(ClassifierTrainer):
    """A `ClassifierTrainer` that follows teachers by what lessons keep of the very views it learns from.

    Where the plan's `distillation` is above 0, it follows the answer of all teachers; where its `features` is, the first
    one's features, as in "FitNets" (Romero et al., ICLR 2015, arXiv:1412.6550).

    Args:
        fabric: where and how precisely to compute.
        plan: the experiment; its views are those of the lessons.
        network: with its starting weights. Where it follows features, it has one more layer until `learnt`, to the teacher's
            channels.
        lessons: what it learns from, all of them made.
        valid: faces to watch.
    """

    network: ResidualNet

    def __init__(
        self, fabric: Fabric, plan: ClassifierPlan, network: ResidualNet, lessons: Lessons, valid: Faces
    ) -> None:
        self.lessons = lessons
        if lessons.channels:
            torch.manual_seed(plan.seed + 1)
            network.add_module(TO_TEACHER, nn.Conv2d(network.head.in_features, lessons.channels, kernel_size=1))
        super().__init__(fabric, plan, network, lessons.sampler.faces, valid)

    def losses(self, step: int) -> dict[str, Tensor]:
        """The losses of the step's lesson, each with its coefficient."""
        with self.waits.fetching():
            lesson = self.lessons.at(self.plan.seed, step)
        output = self.analyse(lesson.views.faces)
        losses = self.label_losses(output, lesson.views)
        if lesson.same.features is not None:
            losses["features"] = self.plan.features * feature_distance(self.brought(output), lesson.same.features)
        if self.plan.distillation:
            losses["distillation"] = self.distance(output, lesson.same.logits)
        return losses

    def analyse(self, faces: Tensor) -> ResidualOutput:
        """What the network makes of faces, in training."""
        output = super().analyse(faces)
        assert isinstance(output, ResidualOutput)
        return output

    def brought(self, output: ResidualOutput) -> Tensor:
        """The network's last map in the teacher's channels."""
        brought = self.network.get_submodule(TO_TEACHER)(output.lifted.float())
        assert isinstance(brought, Tensor)
        return brought

    def learnt(self) -> dict[str, Tensor]:
        """The averaged weights, without the layer that only training needs."""
        return {name: value for name, value in super().learnt().items() if not name.startswith(f"{TO_TEACHER}.")}


def feature_distance(brought: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared distance between two maps, N x K x side x side, over faces that count by ``weights`` (N)."""
    return weighted_mean((brought - target).square().flatten(1).mean(1), weights)
