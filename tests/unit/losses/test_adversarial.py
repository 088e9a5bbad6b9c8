import math

import pytest
import torch
from torch import Tensor, nn

from fsrfer.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    AdversarialLoss,
    WganDiv,
    WganGp,
    adversarial_loss,
    mixed_features,
    squared_gradient_norm,
    wgan_div_penalty,
    wgan_gp_penalty,
)

SLOPE = torch.tensor([[1.0, 0.0], [1.0, 1.0]])  # squares sum to 3 over all axes

# Features of two faces, 2 x 1 x 2 x 2; scores by SLOPE: a + c + d
FEAT_HR = torch.tensor([[[[1.0, 9.0], [0.0, 1.0]]], [[[2.0, 9.0], [1.0, 1.0]]]])  # scores 2 and 4
FEAT_SR = torch.tensor([[[[0.0, 9.0], [0.0, 1.0]]], [[[-1.0, 9.0], [-1.0, -1.0]]]])  # scores 1 and -3
WEIGHTS = torch.tensor([2.0, 0.5])


def linear_critic(features: Tensor) -> Tensor:
    return (features * SLOPE).flatten(1).sum(1)


def constant_critic(features: Tensor) -> Tensor:
    return 0 * features.flatten(1).sum(1) + 5


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def both(loss: AdversarialLoss, weights: Tensor | None = None) -> tuple[float, float]:
    d_loss = loss.discriminator_loss(linear_critic, FEAT_HR, FEAT_SR, weights)
    g_loss = loss.generator_loss(linear_critic, FEAT_HR, FEAT_SR, weights)
    return d_loss.item(), g_loss.item()


def test_wgan_div_by_hand():
    # ||slope||^6 = 3^3 = 27 everywhere; D: (2 + 4)/2 - (1 - 3)/2 + 2 * 27; G: (1 - 3)/2
    loss = adversarial_loss("wgan-div")
    assert both(loss) == pytest.approx((3 + 1 + 54, -1))
    # weighted: (2*2 + 0.5*4)/2 = 3; (2*1 - 0.5*3)/2 = 0.25; the penalty has no weights
    assert both(loss, WEIGHTS) == pytest.approx((3 - 0.25 + 54, 0.25))
    # k = 1, p = 4: 1 * 3^2
    assert both(WganDiv(k=1, p=4)) == pytest.approx((4 + 9, -1))


def test_wgan_gp_by_hand():
    penalty = 10 * (math.sqrt(3) - 1) ** 2
    assert both(adversarial_loss("wgan-gp")) == pytest.approx((-1 - 3 + penalty, 1))
    assert both(WganGp(penalty=0), WEIGHTS) == pytest.approx((0.25 - 3, -0.25))


def test_vanilla_by_hand():
    # -log sigma(x) = softplus(-x), -log(1 - sigma(x)) = softplus(x)
    first, second = softplus(-2) + softplus(1), softplus(-4) + softplus(-3)
    loss = adversarial_loss("vanilla")
    assert both(loss) == pytest.approx(((first + second) / 2, (softplus(-1) + softplus(3)) / 2))
    d_loss, g_loss = both(loss, WEIGHTS)
    assert d_loss == pytest.approx((2 * first + 0.5 * second) / 2)
    assert g_loss == pytest.approx((2 * softplus(-1) + 0.5 * softplus(3)) / 2)


def test_ragan_by_hand():
    # means: 3 (high resolution), -1 (generated); real: 2+1 = 3, 4+1 = 5; generated: 1-3 = -2, -3-3 = -6
    d_first, d_second = softplus(-3) + softplus(-2), softplus(-5) + softplus(-6)
    g_first, g_second = softplus(2) + softplus(3), softplus(6) + softplus(5)
    loss = adversarial_loss("ragan")
    assert both(loss) == pytest.approx(((d_first + d_second) / 4, (g_first + g_second) / 4))
    d_loss, g_loss = both(loss, WEIGHTS)
    assert d_loss == pytest.approx((2 * d_first + 0.5 * d_second) / 4)
    assert g_loss == pytest.approx((2 * g_first + 0.5 * g_second) / 4)


def test_gradient_norm_of_a_quadratic_by_hand():
    features = torch.tensor([[[[1.0, 2.0]]], [[[0.0, 3.0]]]], requires_grad=True)
    # D = sum f^2, gradient 2f: 4 + 16 = 20 and 36, one for each sample
    norms = squared_gradient_norm(lambda f: f.square().flatten(1).sum(1), features)
    assert norms.tolist() == [20, 36]
    # mean of cubes: (8,000 + 46,656) / 2, twice
    penalty = wgan_div_penalty(lambda f: f.square().flatten(1).sum(1), features)
    assert penalty.item() == pytest.approx(8_000 + 46_656)


def test_constant_critic_has_no_slope_and_finite_gradients():
    scale = torch.zeros(1, requires_grad=True)
    features = mixed_features(FEAT_HR, FEAT_SR)
    assert wgan_div_penalty(constant_critic, features).item() == 0
    assert wgan_gp_penalty(constant_critic, features).item() == pytest.approx(10)
    for penalty in (wgan_div_penalty, wgan_gp_penalty):
        penalty(lambda f: scale * linear_critic(f), features).backward()
        assert scale.grad.isfinite().all()


def test_mixed_features_by_hand():
    feat_hr, feat_sr = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[3.0, 6.0], [8.0, 4.0]])
    mixed = mixed_features(feat_hr, feat_sr, torch.tensor([0.5, 0.25]))
    torch.testing.assert_close(mixed, torch.tensor([[2.0, 4.0], [2.0, 1.0]]))
    assert mixed.requires_grad and mixed.is_leaf


def test_random_shares_differ_from_face_to_face_and_lie_between():
    torch.manual_seed(0)
    mixed = mixed_features(torch.zeros(50, 3), torch.ones(50, 3)).detach()
    assert (mixed == mixed[:, :1]).all()
    assert mixed.min() >= 0 and mixed.max() <= 1 and mixed[:, 0].unique().numel() == 50


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_discriminator_loss_leaves_the_generator_alone(name):
    feat_sr = FEAT_SR.clone().requires_grad_()
    scale = torch.ones(1, requires_grad=True)
    loss = adversarial_loss(name)
    loss.discriminator_loss(lambda f: scale * linear_critic(f), FEAT_HR, feat_sr).backward()
    assert feat_sr.grad is None and scale.grad.isfinite().all()
    loss.generator_loss(linear_critic, FEAT_HR, feat_sr).backward()
    assert feat_sr.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_the_players_pull_in_opposite_directions(name):
    """A trained critic tells the two apart, and a generator's step brings its features nearer to the real ones."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))
    loss = adversarial_loss(name)
    feat_hr = torch.randn(64, 1, 2, 2) + 2
    feat_sr = (torch.randn(64, 1, 2, 2) - 2).requires_grad_()
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        d_loss = loss.discriminator_loss(critic, feat_hr, feat_sr)
        optimizer.zero_grad()
        d_loss.backward()
        optimizer.step()
        losses.append(d_loss.item())
    assert losses[-1] < losses[0]
    (gradient,) = torch.autograd.grad(loss.generator_loss(critic, feat_hr, feat_sr), feat_sr)
    step_down = -gradient
    assert (step_down * (feat_hr.mean() - feat_sr.mean())).sum() > 0
    real_scores_low = (critic(feat_hr) < critic(feat_sr)).float().mean() > 0.9
    assert real_scores_low == (name == "wgan-div")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown adversarial loss 'wgan': use one of wgan-div, wgan-gp"):
        adversarial_loss("wgan")
