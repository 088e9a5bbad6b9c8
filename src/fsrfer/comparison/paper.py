"""The paper's comparison: every rival and every ablation, trained on the same faces, as methods to measure."""

from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from fsrfer.comparison import predictors
from fsrfer.comparison.image_sr import train_image_sr
from fsrfer.comparison.measure import Method
from fsrfer.comparison.methods import MethodMaker
from fsrfer.degradation.resize import BatchDegrader
from fsrfer.networks.covpool import CovPoolModel
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.sections import ViewSettings
from fsrfer.training import paper
from fsrfer.training.compute import freeze
from fsrfer.training.faces import TrainingData, as_maps, spread
from fsrfer.training.predictors import feature_super_resolution

MIXED = ViewSettings(sharp_share=0.125, max_factor=8.5)
"""What the plain rival sees: all factors alike, sharp faces as often as any of them."""

ABLATIONS: dict[str, tuple[str, dict[str, float | bool]]] = {
    "fsr": ("FSR-FER", {}),
    "fsr-no-gan": ("FSR-FER without the adversarial term", {"weight": 0.0}),
    "fsr-no-reweighting": ("FSR-FER without re-weighting", {"reweight": False}),
    "fsr-no-perceptual": ("FSR-FER without the perceptual term", {"perceptual": 0.0}),
}
"""Name, title and changes to the recipe's adversarial stage."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """All methods of one seed, and the parts whose features are drawn."""

    methods: tuple[Method, ...]
    system: paper.PaperSystem


def train_rivals(fabric: Fabric, recipe: PaperRecipe, data: TrainingData, folder: Path) -> Rivals:
    """Train every method of the paper's table and its ablations; what a former call finished is loaded.

    Args:
        fabric: where to compute.
        recipe: with the seed of this round.
        data: the training faces.
        folder: of this round; one sub-folder of checkpoints a stage.
    """
    fixed = paper.train_fixed_model(fabric, recipe, data, folder)
    pretrained = paper.pretrain_generator(fabric, recipe, fixed, data, folder)
    restorer = train_image_sr(fabric, recipe, data, folder)
    mixed = paper.train_fixed_model(fabric, recipe, data, folder, MIXED, stage="mixed")
    sharp_svm = paper.fit_svm(fabric, recipe, fixed, None, data.train)
    make = MethodMaker(recipe.input, fabric.device)
    bicubic, restored = predictors.bicubic(fixed), predictors.image_super_resolution(restorer, fixed)
    methods = [
        make("bicubic", "bicubic + fixed model, SVM", predictors.fixed_with_svm(fixed, sharp_svm), [fixed, sharp_svm]),
        make("bicubic-head", "bicubic + fixed model, softmax", bicubic, [fixed]),
        make(
            "image-sr",
            "image super-resolution + fixed model, SVM",
            predictors.fixed_with_svm(fixed, sharp_svm, restorer),
            [restorer, fixed, sharp_svm],
        ),
        make("image-sr-head", "image super-resolution + fixed model, softmax", restored, [restorer, fixed]),
        make("mixed", "the same network trained on mixed scales, softmax", predictors.bicubic(mixed), [mixed]),
    ]
    frozen = freeze(pretrained)
    l2 = feature_super_resolution(frozen, fixed)
    methods.append(make("fsr-l2-head", "pre-trained G alone (feature loss), softmax", l2, [fixed, frozen]))
    systems = {}
    for name, (title, changes) in ABLATIONS.items():
        variant = recipe.model_copy(update={"adversarial": recipe.adversarial.model_copy(update=changes)})
        stage = name.replace("fsr", "adversarial", 1)
        generator = paper.train_against_discriminator(fabric, variant, fixed, pretrained, data, folder, stage)
        svm = paper.fit_svm(fabric, recipe, fixed, generator, data.train)
        systems[name] = paper.PaperSystem(fixed, generator, svm)
        with_svm = feature_super_resolution(generator, fixed, svm)
        methods.append(make(name, f"{title}, SVM", with_svm, [fixed, generator, svm]))
    system = systems["fsr"]
    head = feature_super_resolution(system.generator, fixed)
    methods.append(make("fsr-head", "FSR-FER, softmax of the fixed head", head, [fixed, system.generator]))
    return Rivals(tuple(methods), system)


@torch.no_grad()
def feature_triples(
    recipe: PaperRecipe, system: paper.PaperSystem, data: TrainingData, factor: float, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Flat features of some validation faces: sharp, shrunk by ``factor``, and the latter after G; with labels."""
    few, degrade = spread(data.valid, count), BatchDegrader(recipe.input.size)
    faces = as_maps(few.pixels).float()
    model: CovPoolModel = system.fixed.cpu()
    lr = degrade(faces, degrade.small_sizes(torch.full((len(faces),), factor), few.heights))
    feat_hr, feat_lr = model.features(faces), model.features(lr)
    feat_sr = system.generator.cpu()(feat_lr)
    return feat_hr.flatten(1), feat_lr.flatten(1), feat_sr.flatten(1), few.labels
