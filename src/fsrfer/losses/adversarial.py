"""Adversarial losses, all behind `AdversarialLoss`: a loss for the discriminator and one for the generator.

Sign conventions:

================  ==========================  ================================================
name              the discriminator says      source
================  ==========================  ================================================
``wgan-div``      *low* for high resolution   Wu et al., ECCV 2018, arXiv:1712.01026; arXiv:2004.02234
``wgan-gp``       *high* for high resolution  Gulrajani et al., NeurIPS 2017, arXiv:1704.00028
``vanilla``       *high* for high resolution  Goodfellow et al., NeurIPS 2014 (non-saturating G)
``ragan``         *high* for high resolution  Jolicoeur-Martineau, ICLR 2019, arXiv:1807.00734
================  ==========================  ================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from fsrfer.losses.weighting import weighted_mean

Critic = Callable[[Tensor], Tensor]
"""Features, N x ..., to critic scores, N; any discriminator."""


def mixed_features(feat_hr: Tensor, feat_sr: Tensor, shares: Tensor | None = None) -> Tensor:
    r"""A point between the two features of each face, cut off from the networks that made them.

    .. math::
        f_{mix} = (1 - \alpha) f_{HR} + \alpha \, G(f_{LR}), \qquad \alpha \sim U(0, 1)

    Args:
        feat_hr: high-resolution features.
        feat_sr: super-resolved features.
        shares: :math:`\alpha` of each face, or None to draw them. Processes that share a batch and draw for
            themselves cannot repeat the run of one process; given shares can.

    Shape:
        N x ... twice, and N, to N x ..., a leaf that requires a gradient.
    """
    if shares is None:
        shares = torch.rand(feat_hr.shape[0], dtype=feat_hr.dtype, device=feat_hr.device)
    per_sample = shares.view(-1, *[1] * (feat_hr.ndim - 1))
    return torch.lerp(feat_hr.detach(), feat_sr.detach(), per_sample).requires_grad_()


def squared_gradient_norm(critic: Critic, features: Tensor) -> Tensor:
    r"""How steep a critic is: :math:`\lVert \nabla_f D(f) \rVert_2^2` of each feature, over all its axes.

    It can be differentiated again, by the critic's weights.

    Args:
        critic: the discriminator.
        features: where to measure, requiring a gradient (`mixed_features`).

    Shape:
        N x ... to N.
    """
    critic_scores = critic(features)
    (gradients,) = torch.autograd.grad(critic_scores.sum(), features, create_graph=True)
    return gradients.square().flatten(1).sum(1)


def wgan_div_penalty(critic: Critic, feat_mix: Tensor, *, k: float = 2.0, p: float = 6.0) -> Tensor:
    r"""Wasserstein divergence's penalty.

    .. math::
        k \; \frac{1}{N} \sum_n \lVert \nabla_f D(f_{mix,n}) \rVert_2^p

    The norm is over all axes of a feature, as Wu et al. define it. (The public reference code of FSR-FER sums
    the squares over one spatial axis only, and averages the cubes over the other.)

    Shape:
        N x ... to a scalar.
    """
    return k * squared_gradient_norm(critic, feat_mix).pow(p / 2).mean()


def wgan_gp_penalty(critic: Critic, feat_mix: Tensor, *, coefficient: float = 10.0) -> Tensor:
    r"""WGAN-GP's penalty, which holds the critic's slope near one.

    .. math::
        10 \; \frac{1}{N} \sum_n \left(\lVert \nabla_f D(f_{mix,n}) \rVert_2 - 1\right)^2

    Shape:
        N x ... to a scalar.
    """
    squared = squared_gradient_norm(critic, feat_mix)
    # The root's own slope is infinite at zero, where a constant critic would turn every weight into NaN.
    norm = squared.clamp_min(torch.finfo(squared.dtype).tiny).sqrt()
    return coefficient * (norm - 1).square().mean()


def real_versus_generated(real: Tensor, generated: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Cross-entropy of logits that should be high for the first and low for the second.

    .. math::
        \frac{1}{N} \sum_n w_n \left(-\log \sigma(r_n) - \log(1 - \sigma(g_n))\right)

    Shape:
        N twice, and N, to a scalar.
    """
    return weighted_mean(F.softplus(-real) + F.softplus(generated), weights)


class AdversarialLoss(Protocol):
    """Two players' losses over the features of the same faces.

    ``weights`` (N, or None) is the classification-aware weight of each face. Both losses are scalars to
    *minimise*.
    """

    def discriminator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,
        feat_sr: Tensor,
        weights: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> Tensor:
        """What D minimises; ``feat_sr`` is detached here; ``shares`` (N) as in `mixed_features`."""
        ...

    def generator_loss(self, critic: Critic, feat_hr: Tensor, feat_sr: Tensor, weights: Tensor | None = None) -> Tensor:
        """What G minimises, through ``feat_sr``."""
        ...


@dataclass(frozen=True, slots=True)
class WganDiv:
    r"""Wasserstein divergence, the paper's adversarial loss.

    .. math::
        L_D &= \overline{w D(f_{HR})} - \overline{w D(G(f_{LR}))} + k \overline{\lVert \nabla D(f_{mix})
        \rVert^p} \\ L_G &= \overline{w D(G(f_{LR}))}

    Here D is a distance: low for high-resolution features, high for generated ones.
    """

    k: float = 2.0
    p: float = 6.0

    def discriminator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,
        feat_sr: Tensor,
        weights: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> Tensor:
        """See `AdversarialLoss`."""
        feat_mix = mixed_features(feat_hr, feat_sr, shares)
        scores_hr, scores_sr = critic(feat_hr), critic(feat_sr.detach())
        penalty = wgan_div_penalty(critic, feat_mix, k=self.k, p=self.p)
        return weighted_mean(scores_hr, weights) - weighted_mean(scores_sr, weights) + penalty

    def generator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,  # noqa: ARG002
        feat_sr: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """See `AdversarialLoss`."""
        return weighted_mean(critic(feat_sr), weights)


@dataclass(frozen=True, slots=True)
class WganGp:
    r"""Wasserstein distance with a gradient penalty; D is high for high-resolution features.

    .. math::
        L_D &= \overline{w D(G(f_{LR}))} - \overline{w D(f_{HR})} + 10 \overline{(\lVert \nabla D(f_{mix})
        \rVert - 1)^2} \\ L_G &= -\overline{w D(G(f_{LR}))}
    """

    penalty: float = 10.0

    def discriminator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,
        feat_sr: Tensor,
        weights: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> Tensor:
        """See `AdversarialLoss`."""
        feat_mix = mixed_features(feat_hr, feat_sr, shares)
        scores_hr, scores_sr = critic(feat_hr), critic(feat_sr.detach())
        penalty = wgan_gp_penalty(critic, feat_mix, coefficient=self.penalty)
        return weighted_mean(scores_sr, weights) - weighted_mean(scores_hr, weights) + penalty

    def generator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,  # noqa: ARG002
        feat_sr: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """See `AdversarialLoss`."""
        return -weighted_mean(critic(feat_sr), weights)


@dataclass(frozen=True, slots=True)
class Vanilla:
    r"""The original GAN with the non-saturating generator; D gives logits, high for high resolution.

    .. math::
        L_D &= \overline{w (-\log \sigma(D(f_{HR})) - \log(1 - \sigma(D(G(f_{LR})))))} \\
        L_G &= \overline{-w \log \sigma(D(G(f_{LR})))}
    """

    def discriminator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,
        feat_sr: Tensor,
        weights: Tensor | None = None,
        shares: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """See `AdversarialLoss`."""
        return real_versus_generated(critic(feat_hr), critic(feat_sr.detach()), weights)

    def generator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,  # noqa: ARG002
        feat_sr: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """See `AdversarialLoss`."""
        return weighted_mean(F.softplus(-critic(feat_sr)), weights)


@dataclass(frozen=True, slots=True)
class RelativisticAverage:
    r"""RaGAN: is a feature more of high resolution than the average of the other kind?

    With :math:`r = D(f_{HR}) - \overline{D(G(f_{LR}))}` and :math:`g = D(G(f_{LR})) - \overline{D(f_{HR})}`:

    .. math::
        L_D &= \tfrac{1}{2} \overline{w (-\log \sigma(r) - \log(1 - \sigma(g)))} \\
        L_G &= \tfrac{1}{2} \overline{w (-\log \sigma(g) - \log(1 - \sigma(r)))}

    The averages inside are over the process's own share of the batch.
    """

    def discriminator_loss(
        self,
        critic: Critic,
        feat_hr: Tensor,
        feat_sr: Tensor,
        weights: Tensor | None = None,
        shares: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """See `AdversarialLoss`."""
        scores_hr, scores_sr = critic(feat_hr), critic(feat_sr.detach())
        real, generated = scores_hr - scores_sr.mean(), scores_sr - scores_hr.mean()
        return real_versus_generated(real, generated, weights) / 2

    def generator_loss(self, critic: Critic, feat_hr: Tensor, feat_sr: Tensor, weights: Tensor | None = None) -> Tensor:
        """See `AdversarialLoss`."""
        scores_hr, scores_sr = critic(feat_hr), critic(feat_sr)
        real, generated = scores_hr - scores_sr.mean(), scores_sr - scores_hr.mean()
        return real_versus_generated(generated, real, weights) / 2


ADVERSARIAL_LOSSES: dict[str, Callable[[], AdversarialLoss]] = {
    "wgan-div": WganDiv,
    "wgan-gp": WganGp,
    "vanilla": Vanilla,
    "ragan": RelativisticAverage,
}


def adversarial_loss(name: str) -> AdversarialLoss:
    """The adversarial loss of a name, with its usual coefficients.

    Raises:
        ValueError: no such loss.

    Example:
        >>> adversarial_loss("wgan-div")
        WganDiv(k=2.0, p=6.0)
    """
    if name not in ADVERSARIAL_LOSSES:
        raise ValueError(f"unknown adversarial loss {name!r}: use one of {', '.join(ADVERSARIAL_LOSSES)}")
    return ADVERSARIAL_LOSSES[name]()
