"""The one trainer of classifiers: the networks that ship, the paper's extractor, and the start of every comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.losses.classification import classification_loss, distillation_loss
from fsrfer.networks.expression import ExpressionNetwork, ExpressionOutput
from fsrfer.recipes.sections import LoopSettings, OptimizerSettings
from fsrfer.training.average import MovingAverage
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.compute import compiled, descend, mean_over_processes, open_optimizer, place
from fsrfer.training.faces import Faces, as_maps, spread
from fsrfer.training.pace import Waits
from fsrfer.training.randomness import seed_everything
from fsrfer.training.schedule import set_learning_rate, warmup_cosine
from fsrfer.training.teaching import teacher_logits
from fsrfer.training.views import ViewPlan, Views, ViewSampler

VALIDATION_FACTORS, VALIDATION_FACES = (1, 2, 4, 8), 1000


@dataclass(frozen=True, slots=True)
class ClassifierPlan:
    """What a recipe says of the training of one classifier.

    Attributes:
        seed: of the layers' own chances, such as dropout.
        views: what is seen of each face.
        optimizer, loop: of the descent.
        size_loss: coefficient of the error of the effective size; 0 for networks that do not estimate it.
        distillation: coefficient of following the teachers' answers to the same views.
        temperature: of both answers in that loss.
        features: coefficient of following a teacher's features, `lesson_trainer.LessonTrainer`.
    """

    seed: int
    views: ViewPlan
    optimizer: OptimizerSettings
    loop: LoopSettings
    size_loss: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    features: float = 0.0


class ClassifierTrainer:
    """A `loop.Trainee`: a batch of views, their losses, a step of descent, the average of the weights.

    Args:
        fabric: where and how precisely to compute.
        plan: the experiment.
        network: with its starting weights.
        train: the training faces, at the network's size and colour.
        valid: faces to watch.
        teachers: frozen networks whose answers are followed.
    """

    def __init__(
        self,
        fabric: Fabric,
        plan: ClassifierPlan,
        network: ExpressionNetwork,
        train: Faces,
        valid: Faces,
        teachers: Sequence[nn.Module] = (),
    ) -> None:
        self.fabric, self.plan, self.valid = fabric, plan, valid
        self.teachers = [compiled(fabric, teacher) for teacher in teachers]
        self.network = place(fabric, network)
        self.compute = compiled(fabric, self.network.analyse)
        self.waits = Waits(fabric.device)
        self.views = ViewSampler(fabric, plan.views, train)
        self.optimizer = open_optimizer(network, plan.optimizer)
        self.average = MovingAverage(network, plan.optimizer.ema_decay)

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {"network": self.network, "optimizer": self.optimizer, "average": self.average}

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step of descent on one batch of views."""
        settings = self.plan.optimizer
        set_learning_rate(
            self.optimizer,
            settings.learning_rate * warmup_cosine(step, settings.warmup_steps, self.plan.loop.max_steps),
        )
        seed_everything(self.plan.seed, f"layers/{self.fabric.global_rank}", step)
        losses = self.losses(step)
        descend(self.fabric, torch.stack(list(losses.values())).sum(), self.network, self.optimizer)
        self.average.update(self.network)
        return {name: mean_over_processes(self.fabric, value) for name, value in losses.items()}

    def losses(self, step: int) -> dict[str, Tensor]:
        """The losses of the step's batch, each with its coefficient; those whose coefficient is 0 are left out."""
        with self.waits.fetching():
            views = self.views.batch(step)
        output = self.analyse(views.faces)
        losses = self.label_losses(output, views)
        if self.plan.distillation:
            losses["distillation"] = self.distance(output, teacher_logits(self.fabric, self.teachers, views.faces))
        return losses

    def distance(self, output: ExpressionOutput, taught: Tensor) -> Tensor:
        """The loss of following the teachers' logits (N x 7) of the same views, with its coefficient."""
        divergence = distillation_loss(output.logits.float(), taught, temperature=self.plan.temperature)
        return self.plan.distillation * divergence

    def label_losses(self, output: ExpressionOutput, views: Views) -> dict[str, Tensor]:
        """What the views' own labels and heights ask for."""
        losses = {"classification": classification_loss(output.logits.float(), views.votes, views.weights)}
        if self.plan.size_loss:
            losses["size"] = self.plan.size_loss * size_error(output, views)
        return losses

    def learnt(self) -> dict[str, Tensor]:
        """The averaged weights, those of the finished network."""
        return dict(self.average.module.state_dict())

    def analyse(self, faces: Tensor) -> ExpressionOutput:
        """What the network makes of faces, in training."""
        self.network.train()
        with self.fabric.autocast():
            return self.compute(faces)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Accuracy of the averaged weights at a few factors, and the error of the effective size in octaves."""
        degrade, few = self.views.degrade, spread(self.valid, VALIDATION_FACES)
        faces = as_maps(few.pixels).to(self.fabric.device).float()
        heights, labels = few.heights, few.labels
        figures, errors = {}, []
        for factor in VALIDATION_FACTORS:
            small = degrade.small_sizes(torch.full((len(faces),), float(factor)), heights)
            answers, log2_px = self._answers(faces, small.to(self.fabric.device))
            figures[f"accuracy_x{factor}"] = float((answers.cpu() == labels).float().mean())
            if log2_px is not None:
                errors.append((log2_px.cpu() - small.log2()).abs().mean())
        return figures if not errors else {**figures, "size_error": float(torch.stack(errors).mean())}

    def _answers(self, faces: Tensor, small: Tensor) -> tuple[Tensor, Tensor | None]:
        network = self.average.module.eval()
        assert isinstance(network, ExpressionNetwork)
        answers, sizes = [], []
        for part, side in zip(torch.split(faces, 128), torch.split(small, 128), strict=True):
            inputs = self.views.degrade(part, side).contiguous(memory_format=torch.channels_last)
            with self.fabric.autocast():
                output = network.analyse(inputs)
            answers.append(output.logits.argmax(1))
            sizes.append(output.log2_px)
        known = [size.float() for size in sizes if size is not None]
        return torch.cat(answers), torch.cat(known) if known else None


def size_error(output: ExpressionOutput, views: Views) -> Tensor:
    """Huber distance between estimated and true effective heights, in octaves.

    Raises:
        ValueError: the network does not estimate them.
    """
    if output.log2_px is None:
        raise ValueError("this network does not estimate the effective size; set its loss to 0")
    return F.smooth_l1_loss(output.log2_px.float(), views.log2_px)
