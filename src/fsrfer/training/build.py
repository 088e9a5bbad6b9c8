"""The networks that recipes describe, untrained."""

from collections.abc import Sequence

import torch

from fsrfer.labels import EXPRESSIONS
from fsrfer.networks.covpool import CovPoolExtractor, CovPoolHead, CovPoolModel
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.ensemble import Ensemble, SizedNetwork
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.residual import ResidualNet
from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.sections import ArchitectureSettings, InputSettings, UpliftSettings


def residual_net(
    seed: int, faces: InputSettings, architecture: ArchitectureSettings, uplift: UpliftSettings
) -> ResidualNet:
    """One residual network."""
    torch.manual_seed(seed)
    return ResidualNet(
        in_channels=faces.channels,
        size=faces.size,
        stem=architecture.stem,
        stem_stride=architecture.stem_stride,
        widths=architecture.widths,
        blocks=architecture.blocks,
        num_classes=len(EXPRESSIONS),
        dropout=architecture.dropout,
        uplift_hidden=uplift.hidden,
        uplift_blocks=uplift.blocks,
        conditioned=uplift.conditioned,
        placed=architecture.pooling == "places",
    )


def named_network(recipe: ClassifierRecipe, name: str) -> ResidualNet:
    """One of the networks of a recipe."""
    settings = recipe.networks[name]
    return residual_net(settings.seed, recipe.input, settings.architecture, settings.uplift)


def joined(members: Sequence[ResidualNet]) -> SizedNetwork:
    """One network, or several that answer as one."""
    return members[0] if len(members) == 1 else Ensemble(members)


def covpool_model(recipe: PaperRecipe) -> CovPoolModel:
    """The extractor E and its head."""
    torch.manual_seed(recipe.seed)
    settings = recipe.extractor
    first, second = settings.head
    return CovPoolModel(
        CovPoolExtractor(recipe.input.channels, settings.widths, settings.bimap_dim),
        CovPoolHead(settings.bimap_dim**2, (first, second), num_classes=len(EXPRESSIONS)),
    )


def generator(recipe: PaperRecipe) -> FeatureGenerator:
    """The generator G."""
    torch.manual_seed(recipe.seed + 1)
    settings = recipe.generator
    return FeatureGenerator(
        1,
        settings.channels,
        settings.growth,
        settings.blocks,
        kernel=settings.kernel,
        residual_scale=settings.residual_scale,
        init_scale=settings.init_scale,
    )


def discriminator(recipe: PaperRecipe) -> FeatureDiscriminator:
    """The discriminator D."""
    torch.manual_seed(recipe.seed + 2)
    side = recipe.extractor.bimap_dim
    return FeatureDiscriminator((1, side, side), recipe.discriminator.widths, recipe.discriminator.hidden)


def image_super_resolver(recipe: PaperRecipe) -> ImageSuperResolver:
    """The rival that restores pictures."""
    torch.manual_seed(recipe.seed + 3)
    settings = recipe.image_sr
    return ImageSuperResolver(recipe.input.channels, settings.channels, settings.blocks, settings.residual_scale)
