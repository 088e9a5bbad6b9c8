"""Networks, one a file: shapes and source stand in each docstring."""

from fsrfer.networks.covpool import CovPoolExtractor, CovPoolHead, CovPoolModel, HeadOutput
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.sr import ImageSuperResolver

__all__ = [
    "CovPoolExtractor",
    "CovPoolHead",
    "CovPoolModel",
    "FeatureDiscriminator",
    "FeatureGenerator",
    "HeadOutput",
    "ImageSuperResolver",
]
