"""Does feature super-resolution pay? One network, one budget, one strong teacher, and what the network learns from it.

Every arm has the same network, generator included, the same starting weights, and sees the very same views. What differs is
what its losses ask for, so all cost the same in use, but one: the rival that restores pictures has a restorer before the same
network, `restoring.py`.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.comparison.measure import Faces as MeasuredFaces
from fsrfer.comparison.measure import measure
from fsrfer.comparison.methods import MethodMaker
from fsrfer.comparison.restoring import RestoringNet, RestoringTrainer, restoring
from fsrfer.errors import InputError
from fsrfer.files import locked
from fsrfer.losses.adversarial import adversarial_loss
from fsrfer.losses.classification import distillation_loss
from fsrfer.losses.weighting import classification_aware_weight
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.expression import ExpressionNetwork
from fsrfer.networks.residual import ResidualNet
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.training import loop
from fsrfer.training.build import named_network, residual_net
from fsrfer.training.checkpoint import Stateful
from fsrfer.training.classifier import network_plan
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compute import descend, freeze
from fsrfer.training.faces import Faces, TrainingData
from fsrfer.training.lesson_trainer import LessonTrainer, feature_distance
from fsrfer.training.lessons import Lessons, last_side
from fsrfer.training.randomness import generator
from fsrfer.training.run import WEIGHTS_FILE, begin_or_resume, is_finished, load_weights, record_origin, save_weights

STAGE = "views"
CRITIC_WIDTHS, CRITIC_HIDDEN, CRITIC_RATE = (64, 64), 64, 2e-4
WARM_UP = 0.2
"""Share of the steps in which the critic learns alone; in as many more its weight rises."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm learns from, beside the votes, whose coefficient is 1.

    Attributes:
        name, title: a short word, and what readers see.
        same: coefficient of following the teacher's answer to the same view.
        sharp: of following its answer to the face before it was shrunk.
        feature: of the distance from its features.
        of_same: whether these are its features of the same view, not of the sharp face.
        adversarial: of a critic of these features (WGAN-div).
        reweight: the paper's weight of easily misclassified faces on all that follows the teacher.
        pixels: of the distance of a restored picture from the face before it was shrunk; the arm has a restorer then, and
            `sharp` alone of the teacher's.
    """

    name: str
    title: str
    same: float = 0.0
    sharp: float = 0.0
    feature: float = 0.0
    of_same: bool = False
    adversarial: float = 0.0
    reweight: bool = False
    pixels: float = 0.0


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of the losses that follow the teacher, where an arm has them; tuned on FER+'s validation faces.

    Attributes:
        answers: of following its answers.
        feature: of the distance from its features.
        adversarial: of the critic.
        pixels: of the distance of restored pictures from the sharp ones.
    """

    answers: float = 2.3
    feature: float = 30.0
    adversarial: float = 0.03
    pixels: float = 10.0


def arms(of: Coefficients) -> tuple[Arm, ...]:
    """All arms of a study."""
    sr = "feature super-resolution"
    return (
        Arm("votes", "votes alone"),
        Arm("same-view", "the teacher's answer to the same view", same=of.answers),
        Arm("sharp-view", "the teacher's answer to the sharp face", sharp=of.answers),
        Arm("fsr", f"{sr}: its features of the sharp face too", sharp=of.answers, feature=of.feature),
        Arm("fsr-critic", "the same with a critic", sharp=of.answers, feature=of.feature, adversarial=of.adversarial),
        Arm("fsr-reweighted", "the same with re-weighting", sharp=of.answers, feature=of.feature, reweight=True),
        Arm("fsr-features-alone", f"{sr} without the teacher's answers", feature=of.feature),
        Arm("same-features-alone", "the teacher's features of the same view", feature=of.feature, of_same=True),
        Arm(
            "image-sr",
            "image super-resolution: the sharp picture, the teacher's answer to it",
            sharp=of.answers,
            pixels=of.pixels,
        ),
    )


ARMS = arms(Coefficients())


class StudyTrainer(LessonTrainer):
    """A `LessonTrainer` whose losses are those of an arm.

    Args:
        fabric: where and how precisely to compute.
        plan: views and descent, the same for all arms.
        arm: the losses.
        network: with its starting weights.
        lessons: what it learns from.
        valid: faces to watch.
    """

    def __init__(
        self, fabric: Fabric, plan: ClassifierPlan, arm: Arm, network: ResidualNet, lessons: Lessons, valid: Faces
    ) -> None:
        self.arm = arm
        super().__init__(fabric, plan, network, lessons, valid)
        channels, side = lessons.channels, lessons.side
        self.critic = fabric.to_device(FeatureDiscriminator((channels, side, side), CRITIC_WIDTHS, CRITIC_HIDDEN))
        self.adversary = adversarial_loss("wgan-div")
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=CRITIC_RATE, betas=(0.0, 0.999))

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint keeps."""
        return {**super().parts, "critic": self.critic, "critic_optimizer": self.critic_optimizer}

    def losses(self, step: int) -> dict[str, Tensor]:
        """The losses of the step's batch, each with its coefficient; those whose coefficient is 0 are left out."""
        arm = self.arm
        with self.waits.fetching():
            lesson = self.lessons.at(self.plan.seed, step)
        assert lesson.sharp is not None
        output = self.analyse(lesson.views.faces)
        logits, losses = output.logits.float(), self.label_losses(output, lesson.views)
        weights = classification_aware_weight(logits, lesson.views.labels) if arm.reweight else None
        for name, coefficient, taught in (("same", arm.same, lesson.same), ("sharp", arm.sharp, lesson.sharp)):
            if coefficient:
                losses[name] = coefficient * distillation_loss(logits, taught.logits, weights, temperature=1.0)
        if arm.feature or arm.adversarial:
            target = (lesson.same if arm.of_same else lesson.sharp).features
            assert target is not None
            losses |= self._following(self.brought(output), target, weights, step)
        return losses

    def _following(self, brought: Tensor, target: Tensor, weights: Tensor | None, step: int) -> dict[str, Tensor]:
        losses = {"feature": self.arm.feature * feature_distance(brought, target, weights)}
        if self.arm.adversarial:
            losses["adversarial"] = self._adversarial(brought, target, weights, step)
        return losses

    def _adversarial(self, brought: Tensor, target: Tensor, weights: Tensor | None, step: int) -> Tensor:
        """A step of the critic, then what it says of the student's features."""
        shares = torch.rand(len(target), generator=generator(self.plan.seed, "shares", step)).to(target.device)
        critical = self.adversary.discriminator_loss(self.critic, target, brought, weights, shares)
        descend(self.fabric, critical, self.critic, self.critic_optimizer)
        self.critic.requires_grad_(False)
        told = self.adversary.generator_loss(self.critic, target, brought, weights)
        self.critic.requires_grad_(True)
        risen = ((step + 1) / self.plan.loop.max_steps - WARM_UP) / WARM_UP
        return self.arm.adversarial * min(1.0, max(0.0, risen)) * told


@dataclass(frozen=True, slots=True)
class Study:
    """What is trained and measured.

    Attributes:
        recipe: of a classifier; the first of its networks is what every arm trains.
        teacher: a network for faces of any size and colour.
        taught_by: SHA-256 of the file that the teacher is from.
        lessons: how many batches there are to learn from.
        folder: of lessons, runs and figures.
        measured: the faces to measure on, by the name of the folder of their figures.
        factors: of down-sampling.
        seeds: one round of all arms each.
        coefficients: of the arms.
        only: names of the arms that are wanted; None for all.
    """

    recipe: ClassifierRecipe
    teacher: ResidualNet
    taught_by: str
    lessons: int
    folder: Path
    measured: Mapping[str, MeasuredFaces]
    factors: Sequence[float]
    seeds: Sequence[int]
    coefficients: Coefficients = Coefficients()
    only: Sequence[str] | None = None

    @property
    def arms(self) -> list[Arm]:
        """Those that are wanted."""
        return [arm for arm in arms(self.coefficients) if self.only is None or arm.name in self.only]


def untaught(recipe: ClassifierRecipe) -> ClassifierRecipe:
    """A recipe without teachers of its own: what is learnt from one, each arm says."""
    unweighted = dict.fromkeys(("label_share", "distillation", "features"), 0.0)
    nothing = {"teachers": [], "lessons": 0, "start": "", **unweighted}
    networks = {name: settings.model_copy(update=nothing) for name, settings in recipe.networks.items()}
    return recipe.model_copy(update={"networks": networks})


def prepared_lessons(fabric: Fabric, study: Study, data: TrainingData, shown: Faces | None = None) -> Lessons:
    """The lessons of a study; `Lessons.missing` says which are still to be made.

    Args:
        fabric: where to compute.
        study: the plan.
        data: the training faces, at the recipe's size and colour.
        shown: the training faces as the teacher takes them, where it takes others.

    Raises:
        RecipeError: the folder holds another study.
    """
    begin_or_resume(study.folder, study.recipe)
    origin = {"data": {**data.train.hashes, **data.valid.hashes}, "teacher": study.taught_by, "lessons": study.lessons}
    record_origin(study.folder, {**origin, "coefficients": asdict(study.coefficients)})
    name = next(iter(study.recipe.networks))
    views = network_plan(study.recipe, name).views
    side, folder = last_side(named_network(study.recipe, name), data.train), study.folder / "lessons"
    return Lessons(fabric, views, data.train, [study.teacher], side, study.lessons, folder, sharp=True, shown=shown)


def run_study(fabric: Fabric, study: Study, lessons: Lessons, valid: Faces) -> list[InputError]:
    """Train and measure arm after arm; what is finished is not done again.

    Args:
        fabric: where to compute.
        study: the plan.
        lessons: all of them made.
        valid: faces to watch.

    Returns:
        Of each run that was left, why: another process is at it, or its folder cannot be written.

    Raises:
        Paused: the time is up, `compute.Machine.deadline`.
    """
    make, left = MethodMaker(study.recipe.input, fabric.device), []
    for seed, arm in product(study.seeds, study.arms):
        folder = study.folder / "runs" / f"seed-{seed}" / arm.name
        with ExitStack() as held:
            try:
                held.enter_context(locked(folder))
            except InputError as reason:
                left.append(reason)
                continue
            network = freeze(_trained(fabric, study, lessons, valid, arm, seed, folder))
            method = make(arm.name, arm.title, network, [network])
            for name, faces in study.measured.items():
                measure([method], faces, study.factors, seed, study.folder / "measured" / name)
    return left


def _trained(
    fabric: Fabric, study: Study, lessons: Lessons, valid: Faces, arm: Arm, seed: int, folder: Path
) -> ExpressionNetwork:
    network, settings = _network(study, arm, seed), next(iter(study.recipe.networks.values()))
    if is_finished(folder):
        load_weights(network, folder / WEIGHTS_FILE)
        return network
    plan = ClassifierPlan(seed, lessons.sampler.plan, settings.optimizer, settings.loop, settings.size_loss)
    trainer: ClassifierTrainer
    if isinstance(network, RestoringNet):
        trainer = RestoringTrainer(fabric, plan, arm.pixels, arm.sharp, network, lessons, valid)
    else:
        trainer = StudyTrainer(fabric, plan, arm, network, lessons, valid)
    loop.run(fabric, trainer, settings.loop, folder, STAGE)
    network = _network(study, arm, seed)
    network.load_state_dict(trainer.learnt())
    save_weights(network, folder / WEIGHTS_FILE)
    return network


def _network(study: Study, arm: Arm, seed: int) -> ResidualNet | RestoringNet:
    """What an arm trains, with its starting weights."""
    settings, faces = next(iter(study.recipe.networks.values())), study.recipe.input
    network = residual_net(seed, faces, settings.architecture, settings.uplift)
    return restoring(network, faces.channels, seed) if arm.pixels else network
