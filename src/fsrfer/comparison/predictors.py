"""How the rivals that keep the fixed model use it: on the enlarged picture, or on one that was restored first."""

from torch import Tensor, nn

from fsrfer.networks.covpool import CovPoolModel
from fsrfer.training.predictors import Logits


def bicubic(fixed: nn.Module) -> Logits:
    """The fixed model on the enlarged face as it is."""
    return fixed


def image_super_resolution(restorer: nn.Module, fixed: nn.Module) -> Logits:
    """The picture is restored first, then classified by the fixed model."""
    return lambda faces: fixed(restorer(faces / 255) * 255)


def fixed_with_svm(fixed: CovPoolModel, svm: nn.Module, restorer: nn.Module | None = None) -> Logits:
    """As `bicubic` or `image_super_resolution`, with the SVM in the place of the head's softmax."""

    def logits(faces: Tensor) -> Tensor:
        restored = faces if restorer is None else restorer(faces / 255) * 255
        values: Tensor = svm(fixed.head(fixed.features(restored)).embedding)
        return values

    return logits
