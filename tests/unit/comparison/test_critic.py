import pytest
import torch

from fsrfer.comparison.critic import Critic
from fsrfer.recipes.schema import load_recipe
from support.tiny_recipes import TINY_COMPARISON
from support.training_parts import process, same, state

DRAWN = torch.Generator().manual_seed(0)
FEAT_HR, FEAT_SR = (torch.rand(28, 8, 8, 8, generator=DRAWN) for _ in range(2))


def critic(fabric, *changes):
    return Critic(fabric, load_recipe("comparison", [*TINY_COMPARISON, "losses.adversarial=0.5", *changes]))


@pytest.mark.parametrize(("step", "share"), [(0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)])
def test_its_weight_ramps_up_linearly(fabric, step, share):
    at_once, ramped = critic(fabric), critic(fabric, "losses.adversarial_ramp=3")
    full, part = (one.generator_loss(FEAT_HR, FEAT_SR, None, step).item() for one in (at_once, ramped))
    assert part == pytest.approx(share * full, rel=1e-5)
    assert full != 0


@pytest.mark.parametrize("loss", ["wgan-div", "wgan-gp", "vanilla", "ragan"])
def test_the_discriminator_takes_a_step_and_the_generators_loss_leaves_it_as_it_is(fabric, loss):
    one = critic(fabric, f"losses.adversarial_loss={loss}")
    feat_sr, before = FEAT_SR.clone().requires_grad_(), state(one.discriminator)
    g_loss = one.generator_loss(FEAT_HR, feat_sr, torch.ones(28), 0)
    after = state(one.discriminator)
    assert not same(before, after)
    one.discriminator.zero_grad()
    g_loss.backward()
    assert feat_sr.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in one.discriminator.parameters())
    assert same(after, state(one.discriminator))
    assert set(one.parts) == {"discriminator", "d_optimizer"}


def test_two_processes_mix_the_features_that_one_would(fabric):
    whole = critic(fabric).shares(28, 4).unflatten(0, (2, 14))
    halves = [critic(process(rank)).shares(14, 4).unflatten(0, (2, 7)) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves, 1), whole)
    assert ((whole >= 0) & (whole <= 1)).all()
    assert len(set(whole.flatten().tolist())) == 28
    assert not torch.equal(critic(fabric).shares(28, 5).unflatten(0, (2, 14)), whole)
