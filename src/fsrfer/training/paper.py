"""The paper's system, stage by stage: E, G alone, G against D, the SVM; each stage resumes from its own checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from fsrfer.errors import TrainingError
from fsrfer.evaluation.metrics import score
from fsrfer.images import shrink_resized
from fsrfer.networks.covpool import CovPoolModel
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.sections import CameraSettings, ViewSettings
from fsrfer.training import build, loop
from fsrfer.training.classifier_trainer import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compute import freeze
from fsrfer.training.faces import Faces, TrainingData, as_maps, load_training_data
from fsrfer.training.pairs import PairSampler
from fsrfer.training.paper_trainers import AdversarialTrainer, PretrainingTrainer
from fsrfer.training.plots import plot_stages
from fsrfer.training.predictors import TorchPredictor, feature_super_resolution
from fsrfer.training.run import (
    WEIGHTS_FILE,
    begin_or_resume,
    check_batches,
    finished_recipe,
    load_weights,
    record_origin,
    require_one_origin,
    save_weights,
)
from fsrfer.training.svm import LinearSvm
from fsrfer.training.views import ViewPlan

SHARP = ViewSettings(sharp_share=1.0, max_factor=1.0)
NO_CAMERA = CameraSettings(share=0.0, blur=0.0, motion=0.0, noise=0.0, jpeg_quality=100)


@dataclass(frozen=True, slots=True)
class PaperSystem:
    """The trained parts: fixed extractor and head, generator, SVM."""

    fixed: CovPoolModel
    generator: FeatureGenerator
    svm: LinearSvm

    def modules(self) -> nn.ModuleDict:
        """All parts under one roof, to save and load."""
        return nn.ModuleDict({"fixed": self.fixed, "generator": self.generator, "svm": self.svm})


def untrained_system(recipe: PaperRecipe) -> PaperSystem:
    """The parts as a recipe describes them, to load weights into."""
    return PaperSystem(build.covpool_model(recipe), build.generator(recipe), LinearSvm())


def train_paper(
    fabric: Fabric, recipe: PaperRecipe, sources: Mapping[str, Path], folder: Path
) -> tuple[str, dict[str, float]]:
    """Train the paper's system and measure it.

    Args:
        fabric: where to compute.
        recipe: the experiment.
        sources: data sets by name.
        folder: of the run.

    Returns:
        What it was measured on, such as ``rafdb test``, and its accuracy at each factor.

    Raises:
        RecipeError: the validation set is not among the sources, a batch does not divide among the processes, or the
            folder's run was begun with other data.
        DataError: a data set is not in its published layout.
        TrainingError: training diverged.
    """
    check_batches(fabric, recipe.loops())
    data = load_training_data(recipe, sources)
    origin = {"data": {**data.train.hashes, **data.valid.hashes}}
    require_one_origin(fabric, origin)
    if fabric.is_global_zero:
        begin_or_resume(folder, recipe)
        record_origin(folder, origin)
    system = train_system(fabric, recipe, data, folder)
    if fabric.is_global_zero:
        save_weights(system.modules(), folder / WEIGHTS_FILE)
        plot_stages(folder)
    return data.validation, measure(recipe, system, data.valid)


def train_system(fabric: Fabric, recipe: PaperRecipe, data: TrainingData, folder: Path) -> PaperSystem:
    """All stages: extractor and head on sharp faces, G alone, G against D, the SVM."""
    fixed = train_fixed_model(fabric, recipe, data, folder)
    pretrained = pretrain_generator(fabric, recipe, fixed, data, folder)
    generator = train_against_discriminator(fabric, recipe, fixed, pretrained, data, folder)
    return PaperSystem(fixed, generator, fit_svm(fabric, recipe, fixed, generator, data.train))


def load_system(folder: Path) -> tuple[PaperRecipe, PaperSystem]:
    """Recipe and trained parts of a finished run.

    Raises:
        TrainingError: the folder holds no finished run of feature super-resolution.
    """
    recipe = finished_recipe(folder)
    if not isinstance(recipe, PaperRecipe):
        raise TrainingError(f"{folder}: no finished run of the paper's system; train it first")
    system = untrained_system(recipe)
    load_weights(system.modules(), folder / WEIGHTS_FILE)
    freeze(system.modules())
    return recipe, system


def predictor(recipe: PaperRecipe, system: PaperSystem) -> TorchPredictor:
    """The whole system as one predictor, with the SVM as its classifier."""
    logits = feature_super_resolution(system.generator, system.fixed, system.svm)
    return TorchPredictor(logits, recipe.input.size, recipe.input.colour)


def measure(recipe: PaperRecipe, system: PaperSystem, valid: Faces) -> dict[str, float]:
    """Accuracy on validation faces at x1 and at each factor of the recipe."""
    system.modules().cpu()
    predict, labels = predictor(recipe, system), valid.labels.numpy()
    faces = list(zip(valid.pixels.numpy(), valid.heights.tolist(), strict=True))
    return {
        f"x{factor}": score(labels, predict([shrink_resized(face, height, factor) for face, height in faces])).accuracy
        for factor in (1, *recipe.factors)
    }


def train_fixed_model(
    fabric: Fabric,
    recipe: PaperRecipe,
    data: TrainingData,
    folder: Path,
    views: ViewSettings = SHARP,
    stage: str = "extractor",
) -> CovPoolModel:
    """The extractor and its head, trained on sharp faces (or, as a rival, on mixed resolutions), then frozen."""
    settings, model = recipe.extractor_training, build.covpool_model(recipe)
    seen = ViewPlan(recipe.seed, settings.loop.batch_size, views, NO_CAMERA, settings.augmentation)
    plan = ClassifierPlan(recipe.seed, seen, settings.optimizer, settings.loop)
    trainer = ClassifierTrainer(fabric, plan, model, data.train, data.valid)
    loop.run(fabric, trainer, settings.loop, folder, stage)
    model.load_state_dict(trainer.average.module.state_dict())
    return freeze(model)


def pretrain_generator(
    fabric: Fabric, recipe: PaperRecipe, fixed: CovPoolModel, data: TrainingData, folder: Path
) -> FeatureGenerator:
    """G alone, on the un-weighted feature loss."""
    generator = build.generator(recipe)
    trainer = PretrainingTrainer(fabric, recipe, fixed, generator, data.train, data.valid)
    loop.run(fabric, trainer, recipe.pretraining.loop, folder, "pretraining")
    return generator


def train_against_discriminator(
    fabric: Fabric,
    recipe: PaperRecipe,
    fixed: CovPoolModel,
    pretrained: FeatureGenerator,
    data: TrainingData,
    folder: Path,
    stage: str = "adversarial",
) -> FeatureGenerator:
    """G against D from the pre-trained G on (which is left as it is); frozen."""
    generator, discriminator = build.generator(recipe), build.discriminator(recipe)
    generator.load_state_dict(pretrained.state_dict())
    trainer = AdversarialTrainer(fabric, recipe, fixed, generator, discriminator, data.train, data.valid)
    loop.run(fabric, trainer, recipe.adversarial.loop, folder, stage)
    generator.load_state_dict(trainer.average.module.state_dict())
    return freeze(generator)


@torch.no_grad()
def fit_svm(
    fabric: Fabric, recipe: PaperRecipe, fixed: CovPoolModel, generator: nn.Module | None, train: Faces
) -> LinearSvm:
    """The SVM on embeddings of the training faces, each at one of the factors x1, x2, ... in turn.

    Args:
        fabric: where to compute.
        recipe: gives factors, penalty and seed.
        fixed: extractor and head.
        generator: brings features up; None fits on sharp faces' own features.
        train: the training faces.
    """
    sampler = PairSampler(fabric, train, recipe.factors, flip=False, seed=recipe.seed, stage="svm")
    chosen = torch.linspace(0, len(train) - 1, min(len(train), recipe.svm.max_faces)).round().long()
    factors = torch.tensor([1.0, *recipe.factors])[torch.arange(len(chosen)) % (len(recipe.factors) + 1)]
    small_sizes = sampler.degrade.small_sizes(factors, train.heights[chosen])
    embeddings = []
    for rows, small in zip(torch.split(chosen, 256), torch.split(small_sizes, 256), strict=True):
        faces = as_maps(train.pixels[rows]).to(fabric.device).float()
        with fabric.autocast():
            if generator is None:
                features = fixed.features(faces)
            else:
                features = generator(fixed.features(sampler.degrade(faces, small.to(fabric.device))))
        embeddings.append(fixed.head(features.float()).embedding.cpu().numpy())
    svm = LinearSvm()
    svm.fit(np.concatenate(embeddings), train.labels[chosen].numpy(), recipe.svm.c, recipe.seed)
    return svm
