"""How much each sample counts.

Reference:
    arXiv:2004.02234, section 3 (classification-aware loss re-weighting).
"""

import torch
from torch import Tensor


def classification_aware_weight(logits_sr: Tensor, labels: Tensor) -> Tensor:
    r"""Weight of a face by how likely the fixed head is to misclassify its super-resolved feature.

    .. math::
        w = (1.5 - p)^2, \qquad p = \mathrm{softmax}(\mathrm{logits})_{\mathrm{label}}

    2.25 where the true class gets no probability, 0.25 where it gets all. The weight is a constant of the
    step: no gradient flows through it. The reference code lets it flow, which also pays the generator for
    changing p itself, in the wrong direction wherever the weighted term is negative, as critic scores may be.

    Args:
        logits_sr: the head's, of the super-resolved features.
        labels: the true classes.

    Shape:
        N x C and N (int64) to N.

    Example:
        >>> classification_aware_weight(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        tensor([1.])
    """
    probs = torch.softmax(logits_sr, dim=1)
    of_true_class = probs.gather(1, labels.unsqueeze(1)).squeeze(1)
    return (1.5 - of_true_class).square().detach()


def weighted_mean(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of ``weights * values`` over the batch; the weights are not made to sum to one.

    Shape:
        N and N to a scalar.

    Example:
        >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 1.0]))
        tensor(2.5000)
    """
    return values.mean() if weights is None else (weights * values).mean()
