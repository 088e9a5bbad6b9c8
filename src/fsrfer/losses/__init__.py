"""Losses: pure functions of tensors, each with an optional weight for every sample."""

from fsrfer.losses.adversarial import AdversarialLoss, adversarial_loss
from fsrfer.losses.classification import classification_loss, distillation_loss, logit_adjustment
from fsrfer.losses.feature import attention_loss, feature_loss, perceptual_loss
from fsrfer.losses.weighting import classification_aware_weight, weighted_mean

__all__ = [
    "AdversarialLoss",
    "adversarial_loss",
    "attention_loss",
    "classification_aware_weight",
    "classification_loss",
    "distillation_loss",
    "feature_loss",
    "logit_adjustment",
    "perceptual_loss",
    "weighted_mean",
]
