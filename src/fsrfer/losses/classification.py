"""Losses of classifiers: cross-entropy against hard or soft labels, and distillation from a teacher."""

import torch.nn.functional as F
from torch import Tensor

from fsrfer.losses.weighting import weighted_mean


def classification_loss(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Cross-entropy with soft labels.

    .. math::
        -\frac{1}{N} \sum_n w_n \sum_c t_{nc} \log \mathrm{softmax}(z_n)_c

    Args:
        logits: of the classifier.
        targets: class indices (int64) or a distribution over the classes (such as shares of votes).
        weights: of each sample, or None for equal ones.

    Shape:
        N x C; N or N x C; N to a scalar.

    Example:
        >>> import torch
        >>> classification_loss(torch.zeros(1, 4), torch.tensor([2]))  # log 4
        tensor(1.3863)
    """
    return weighted_mean(F.cross_entropy(logits, targets, reduction="none"), weights)


def logit_adjustment(logits: Tensor, class_shares: Tensor, strength: float) -> Tensor:
    r"""Logits that a classifier of unequal classes may be trained on, so that it answers them more evenly.

    .. math:: z_{nc} + \beta \log \pi_c

    With :math:`\beta = 0` it learns how frequent each class is; with 1 it answers as if all were equally frequent.

    Args:
        logits: of the classifier.
        class_shares: how frequent each class is in training, all above 0.
        strength: :math:`\beta`, 0..1.

    Shape:
        N x C; C to N x C.

    Reference:
        Menon et al., "Long-tail learning via logit adjustment" (ICLR 2021, arXiv:2007.07314).
    """
    return logits + strength * class_shares.log()


def distillation_loss(
    logits: Tensor, teacher_logits: Tensor, weights: Tensor | None = None, *, temperature: float = 4.0
) -> Tensor:
    r"""Divergence of a student from its teacher, both softened by a temperature.

    .. math::
        T^2 \, \frac{1}{N} \sum_n w_n \, \mathrm{KL}\!\left(\mathrm{softmax}(t_n / T)
        \,\Vert\, \mathrm{softmax}(z_n / T)\right)

    The factor keeps the gradient's size the same at every temperature. The teacher gets no gradient.

    Args:
        logits: the student's.
        teacher_logits: the teacher's, for the same faces (in high resolution).
        weights: of each sample, or None for equal ones.
        temperature: above 0; higher tells more of the unlikely classes.

    Shape:
        N x C twice, and N, to a scalar.

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
    """
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits.detach() / temperature, dim=1)
    divergence = F.kl_div(student, teacher, reduction="none", log_target=True).sum(1)
    return temperature**2 * weighted_mean(divergence, weights)
