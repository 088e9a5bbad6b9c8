"""Distances between super-resolved and high-resolution features.

References:
    arXiv:2004.02234, section 3 (feature-wise and perceptual loss); Zagoruyko and Komodakis, ICLR 2017, arXiv:1612.03928
    (attention).
"""

from torch import Tensor
from torch.nn import functional as F

from fsrfer.losses.weighting import weighted_mean


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distance of each pair.

    Shape:
        N x ... twice, to N: summed over all axes but the first.

    Raises:
        ValueError: the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"cannot compare {tuple(first.shape)} with {tuple(second.shape)}")
    return (first - second).square().flatten(1).sum(1)


def feature_loss(
    feat_sr: Tensor, feat_hr: Tensor, weights: Tensor | None = None, *, coefficient: float = 0.01
) -> Tensor:
    r"""Feature-wise loss of the generator.

    .. math::
        0.01 \; \frac{1}{N} \sum_n w_n \lVert G(f_{LR})_n - f_{HR,n} \rVert_2^2

    Args:
        feat_sr: super-resolved features.
        feat_hr: the features of the same faces in high resolution.
        weights: of each sample (`classification_aware_weight`), or None for equal ones.
        coefficient: 0.01 in the adversarial stage, 1 in the reference's pre-training.

    Shape:
        N x ... twice, and N, to a scalar.

    Example:
        >>> import torch
        >>> feature_loss(torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3))
        tensor(0.0900)
    """
    return coefficient * weighted_mean(squared_distance(feat_sr, feat_hr), weights)


def perceptual_loss(
    hidden_sr: Tensor, hidden_hr: Tensor, weights: Tensor | None = None, *, coefficient: float = 10.0
) -> Tensor:
    r"""Distance as the fixed head sees it, in its 128-d layer ``h``.

    .. math::
        10 \; \frac{1}{N} \sum_n w_n \lVert h(G(f_{LR}))_n - h(f_{HR})_n \rVert_2^2

    Args:
        hidden_sr: the head's hidden layer of the super-resolved features.
        hidden_hr: the same of the high-resolution features.
        weights: of each sample, or None for equal ones.
        coefficient: 10 in the paper.

    Shape:
        N x 128 twice, and N, to a scalar.
    """
    return coefficient * weighted_mean(squared_distance(hidden_sr, hidden_hr), weights)


def attention_loss(
    feat_sr: Tensor, feat_hr: Tensor, weights: Tensor | None = None, *, coefficient: float = 1.0
) -> Tensor:
    r"""Distance between the places that two maps attend to, whatever they see there.

    .. math::
        c \; \frac{1}{N} \sum_n w_n \lVert a(f_{SR,n}) - a(f_{HR,n}) \rVert_2^2, \qquad
        a(f) = \frac{\sum_k f_k^2}{\lVert \sum_k f_k^2 \rVert_2}

    Args:
        feat_sr: maps of faces in low resolution.
        feat_hr: those of the same faces in high resolution.
        weights: of each sample, or None for equal ones.
        coefficient: :math:`c`; without it the distance is between 0 and 2.

    Shape:
        N x channels x H x W twice, and N, to a scalar.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 3.0]]]])
        >>> attention_loss(left, right), attention_loss(left, 5 * left)
        (tensor(2.), tensor(0.))
    """
    return coefficient * weighted_mean(squared_distance(_attention(feat_sr), _attention(feat_hr)), weights)


def _attention(features: Tensor) -> Tensor:
    return F.normalize(features.square().sum(1).flatten(1), dim=1)
