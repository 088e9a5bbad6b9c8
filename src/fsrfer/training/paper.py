"""A run of the paper's system, stage by stage; each stage resumes from its own checkpoints and is skipped once done."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import nn

from fsrfer.baselines.predictors import TorchPredictor, feature_super_resolution
from fsrfer.comparison.image_sr import ImageSrTrainer
from fsrfer.errors import TrainingError
from fsrfer.evaluation.metrics import score
from fsrfer.images import shrink_resized
from fsrfer.networks.covpool import CovPoolModel
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.fsr import FsrRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.recipes.sections import DegradationSettings
from fsrfer.training import build as networks
from fsrfer.training import loop
from fsrfer.training.classifier import ClassifierPlan, ClassifierTrainer
from fsrfer.training.compute import freeze
from fsrfer.training.faces import Faces, TrainingData, as_maps
from fsrfer.training.feature_super_resolution import AdversarialTrainer, PretrainingTrainer
from fsrfer.training.pairs import PairSampler
from fsrfer.training.run import RECIPE_FILE, WEIGHTS_FILE
from fsrfer.training.svm import LinearSvm

SHARP = DegradationSettings(sharp_share=1.0, max_factor=1.0)


@dataclass(frozen=True, slots=True)
class FsrSystem:
    """The trained parts: fixed extractor and head, generator, SVM."""

    fixed: CovPoolModel
    generator: FeatureGenerator
    svm: LinearSvm

    def modules(self) -> nn.ModuleDict:
        """All parts under one roof, to save and load."""
        return nn.ModuleDict({"fixed": self.fixed, "generator": self.generator, "svm": self.svm})


def untrained_system(recipe: FsrRecipe) -> FsrSystem:
    """The parts as a recipe describes them, to load weights into."""
    return FsrSystem(networks.covpool_model(recipe), networks.generator(recipe), LinearSvm())


def train_system(fabric: Fabric, recipe: FsrRecipe, data: TrainingData, folder: Path) -> FsrSystem:
    """All stages: extractor and head on sharp faces, G alone, G against D, the SVM."""
    fixed = train_fixed_model(fabric, recipe, data, folder)
    pretrained = pretrain_generator(fabric, recipe, fixed, data, folder)
    generator = train_against_discriminator(fabric, recipe, fixed, pretrained, data, folder)
    return FsrSystem(fixed, generator, fit_svm(fabric, recipe, fixed, generator, data.train))


def load_system(folder: Path) -> tuple[FsrRecipe, FsrSystem]:
    """Recipe and trained parts of a finished run.

    Raises:
        TrainingError: the folder holds no finished run of feature super-resolution.
    """
    weights = folder / WEIGHTS_FILE
    recipe = load_recipe(str(folder / RECIPE_FILE))
    if not isinstance(recipe, FsrRecipe) or not weights.is_file():
        raise TrainingError(f"{folder}: no finished run of feature super-resolution; train it first, or add --resume")
    system = untrained_system(recipe)
    system.modules().load_state_dict(load_file(weights))
    freeze(system.modules())
    return recipe, system


def predictor(recipe: FsrRecipe, system: FsrSystem) -> TorchPredictor:
    """The whole system as one predictor, with the SVM as its classifier."""
    logits = feature_super_resolution(system.generator, system.fixed, system.svm)
    return TorchPredictor(logits, recipe.input.size, recipe.input.colour)


def measure(recipe: FsrRecipe, system: FsrSystem, valid: Faces) -> dict[str, float]:
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
    recipe: FsrRecipe,
    data: TrainingData,
    folder: Path,
    degradation: DegradationSettings = SHARP,
    stage: str = "extractor",
) -> CovPoolModel:
    """The extractor and its head, trained on sharp faces (or, as a rival, on mixed resolutions), then frozen."""
    settings, model = recipe.extractor_training, networks.covpool_model(recipe)
    plan = ClassifierPlan(
        recipe.seed, recipe.input.size, degradation, settings.augmentation, settings.optimizer, settings.loop
    )
    trainer = ClassifierTrainer(fabric, plan, model, data.train, data.valid)
    loop.run(fabric, trainer, settings.loop, folder, stage)
    model.load_state_dict(trainer.average.state_dict())
    freeze(model)
    return model


def pretrain_generator(
    fabric: Fabric, recipe: FsrRecipe, fixed: CovPoolModel, data: TrainingData, folder: Path
) -> FeatureGenerator:
    """G alone, on the un-weighted feature loss."""
    generator = networks.generator(recipe)
    trainer = PretrainingTrainer(fabric, recipe, fixed, generator, data.train, data.valid)
    loop.run(fabric, trainer, recipe.pretraining.loop, folder, "pretraining")
    return generator


def train_against_discriminator(
    fabric: Fabric,
    recipe: FsrRecipe,
    fixed: CovPoolModel,
    pretrained: FeatureGenerator,
    data: TrainingData,
    folder: Path,
    stage: str = "adversarial",
) -> FeatureGenerator:
    """G against D from the pre-trained G on (which is left as it is); frozen."""
    generator, discriminator = networks.generator(recipe), networks.discriminator(recipe)
    generator.load_state_dict(pretrained.state_dict())
    trainer = AdversarialTrainer(fabric, recipe, fixed, generator, discriminator, data.train, data.valid)
    loop.run(fabric, trainer, recipe.adversarial.loop, folder, stage)
    generator.load_state_dict(trainer.average.state_dict())
    freeze(generator)
    return generator


def train_image_sr(fabric: Fabric, recipe: FsrRecipe, data: TrainingData, folder: Path) -> ImageSuperResolver:
    """The rival that restores pictures, on the same pairs; frozen."""
    restorer = networks.image_super_resolver(recipe)
    trainer = ImageSrTrainer(fabric, recipe, restorer, data.train, data.valid)
    loop.run(fabric, trainer, recipe.image_sr.loop, folder, "image-sr")
    restorer.load_state_dict(trainer.average.state_dict())
    freeze(restorer)
    return restorer


@torch.no_grad()
def fit_svm(
    fabric: Fabric, recipe: FsrRecipe, fixed: CovPoolModel, generator: nn.Module | None, train: Faces
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
