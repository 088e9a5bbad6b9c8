"""Losses of the classifier itself."""

from torch import Tensor


def soft_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy against label distributions: ``mean(w * -sum_c t_c log softmax(z)_c)``.

    Args:
        logits: N x C.
        targets: N x C, rows that sum to 1.
        weights: N, or None for ones.

    Returns:
        scalar.
    """
    losses = -(targets * logits.log_softmax(1)).sum(1)
    return (losses if weights is None else weights * losses).mean()
