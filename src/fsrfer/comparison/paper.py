"""The paper's comparison: every rival and every ablation, trained on the same faces, as methods to measure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from fsrfer.baselines import predictors
from fsrfer.baselines.predictors import Logits, TorchPredictor
from fsrfer.comparison.measure import Method
from fsrfer.degradation.resize import BatchDegrader
from fsrfer.networks.cost import count_gflop
from fsrfer.networks.covpool import CovPoolModel
from fsrfer.recipes.fsr import FsrRecipe
from fsrfer.recipes.sections import DegradationSettings, InputSettings
from fsrfer.training import paper as fsr_run
from fsrfer.training.compute import freeze
from fsrfer.training.faces import TrainingData, as_maps

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
    system: fsr_run.FsrSystem


def train_rivals(fabric: Fabric, recipe: FsrRecipe, data: TrainingData, folder: Path) -> Rivals:
    """Train every method of the paper's table and its ablations; what a former call finished is loaded.

    Args:
        fabric: where to compute.
        recipe: with the seed of this round.
        data: the training faces.
        folder: of this round; one sub-folder of checkpoints a stage.
    """
    fixed = fsr_run.train_fixed_model(fabric, recipe, data, folder)
    pretrained = fsr_run.pretrain_generator(fabric, recipe, fixed, data, folder)
    restorer = fsr_run.train_image_sr(fabric, recipe, data, folder)
    mixed = fsr_run.train_fixed_model(
        fabric, recipe, data, folder, DegradationSettings(sharp_share=0.125, max_factor=8.5), stage="mixed"
    )
    sharp_svm = fsr_run.fit_svm(fabric, recipe, fixed, None, data.train)
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
    l2 = predictors.feature_super_resolution(frozen, fixed)
    methods.append(make("fsr-l2-head", "pre-trained G alone (feature loss), softmax", l2, [fixed, frozen]))
    systems = {}
    for name, (title, changes) in ABLATIONS.items():
        variant = recipe.model_copy(update={"adversarial": recipe.adversarial.model_copy(update=changes)})
        stage = name.replace("fsr", "adversarial", 1)
        generator = fsr_run.train_against_discriminator(fabric, variant, fixed, pretrained, data, folder, stage)
        svm = fsr_run.fit_svm(fabric, recipe, fixed, generator, data.train)
        systems[name] = fsr_run.FsrSystem(fixed, generator, svm)
        with_svm = predictors.feature_super_resolution(generator, fixed, svm)
        methods.append(make(name, f"{title}, SVM", with_svm, [fixed, generator, svm]))
    system = systems["fsr"]
    head = predictors.feature_super_resolution(system.generator, fixed)
    methods.append(make("fsr-head", "FSR-FER, softmax of the fixed head", head, [fixed, system.generator]))
    return Rivals(tuple(methods), system)


class MethodMaker:
    """Turns logits into a `Method`, with its cost and an identity that follows its weights."""

    def __init__(self, faces: InputSettings, device: torch.device) -> None:
        self.input, self.device = faces, device

    def __call__(self, name: str, title: str, logits: Logits, parts: Sequence[nn.Module]) -> Method:
        """A method from what gives its logits and the networks that these run through."""
        for part in parts:
            part.cpu()
        cost = count_gflop(logits, parts, self.input.channels, self.input.size)
        identity = _identity(parts)
        for part in parts:
            part.to(self.device)
        predict = TorchPredictor(logits, self.input.size, self.input.colour, self.device)
        return Method(name, title, predict, gflop=cost, identity=identity)


def _identity(parts: Iterable[nn.Module]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for name, value in part.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def feature_triples(
    recipe: FsrRecipe, system: fsr_run.FsrSystem, data: TrainingData, factor: float, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Flat features of the first validation faces: sharp, shrunk by ``factor``, and the latter after G; with labels."""
    faces, degrade = as_maps(data.valid.pixels[:count]).float(), BatchDegrader(recipe.input.size)
    model: CovPoolModel = system.fixed.cpu()
    lr = degrade(faces, degrade.small_sizes(torch.full((len(faces),), factor), data.valid.heights[:count]))
    feat_hr, feat_lr = model.features(faces), model.features(lr)
    feat_sr = system.generator.cpu()(feat_lr)
    return feat_hr.flatten(1), feat_lr.flatten(1), feat_sr.flatten(1), data.valid.labels[:count]
