"""The networks that recipes describe, untrained."""

import torch

from fsrfer.labels import EXPRESSIONS
from fsrfer.networks.compact import CompactNet
from fsrfer.networks.covpool import CovPoolExtractor, CovPoolHead, CovPoolModel
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.sr import ImageSuperResolver
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.compact import CompactRecipe, UpliftSettings
from fsrfer.recipes.fsr import FsrRecipe


def compact_net(recipe: ClassifierRecipe | CompactRecipe) -> CompactNet:
    """The compact network; a classifier's has neither generator nor effective size."""
    torch.manual_seed(recipe.seed)
    uplift = (
        recipe.uplift if isinstance(recipe, CompactRecipe) else UpliftSettings(hidden=1, blocks=0, conditioned=False)
    )
    return CompactNet(
        in_channels=recipe.input.channels,
        size=recipe.input.size,
        stem=recipe.network.stem,
        stem_stride=recipe.network.stem_stride,
        widths=recipe.network.widths,
        blocks=recipe.network.blocks,
        num_classes=len(EXPRESSIONS),
        dropout=recipe.network.dropout,
        rank_share=recipe.network.rank_share,
        uplift_hidden=uplift.hidden,
        uplift_blocks=uplift.blocks,
        conditioned=uplift.conditioned,
        sized=isinstance(recipe, CompactRecipe),
        placed=recipe.network.pooling == "places",
    )


def covpool_model(recipe: FsrRecipe) -> CovPoolModel:
    """The extractor and its head."""
    torch.manual_seed(recipe.seed)
    settings = recipe.extractor
    first, second = settings.head
    return CovPoolModel(
        CovPoolExtractor(recipe.input.channels, settings.widths, settings.bimap_dim),
        CovPoolHead(settings.bimap_dim**2, (first, second), num_classes=len(EXPRESSIONS)),
    )


def generator(recipe: FsrRecipe) -> FeatureGenerator:
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


def discriminator(recipe: FsrRecipe) -> FeatureDiscriminator:
    """The discriminator D."""
    torch.manual_seed(recipe.seed + 2)
    side = recipe.extractor.bimap_dim
    return FeatureDiscriminator((1, side, side), recipe.discriminator.widths, recipe.discriminator.hidden)


def image_super_resolver(recipe: FsrRecipe) -> ImageSuperResolver:
    """The rival that restores pictures."""
    torch.manual_seed(recipe.seed + 3)
    settings = recipe.image_sr
    return ImageSuperResolver(recipe.input.channels, settings.channels, settings.blocks, settings.residual_scale)
