import pytest
import torch

from fsrfer.networks.residual import ResidualNet
from fsrfer.networks.uplift import FeatureUplift

FEATURES = torch.rand(3, 8, 6, 6, generator=torch.Generator().manual_seed(0))
SMALL, LARGE = torch.full((3,), 2.5), torch.full((3,), 5.5)


def somewhere(module):
    """The module with weights that are no longer the initial ones."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return module.eval()


@pytest.mark.parametrize("conditioned", [True, False])
def test_it_starts_as_the_identity_at_every_size(conditioned):
    uplift = FeatureUplift(8, 4, blocks=2, conditioned=conditioned)
    assert torch.equal(uplift(FEATURES, SMALL), FEATURES)
    assert torch.equal(uplift.eval()(FEATURES, LARGE), FEATURES)


def test_it_is_told_the_size_only_when_conditioned():
    told = somewhere(FeatureUplift(8, 4, blocks=2))
    untold = somewhere(FeatureUplift(8, 4, blocks=2, conditioned=False))
    assert (told(FEATURES, SMALL) - told(FEATURES, LARGE)).abs().max() > 0.1
    assert torch.equal(untold(FEATURES, SMALL), untold(FEATURES, LARGE))


def test_each_face_is_lifted_by_its_own_size():
    uplift = somewhere(FeatureUplift(8, 4, blocks=1))
    mixed = uplift(FEATURES, torch.tensor([2.5, 5.5, 2.5]))
    torch.testing.assert_close(mixed[1], uplift(FEATURES, LARGE)[1])
    torch.testing.assert_close(mixed[2], uplift(FEATURES, SMALL)[2])


def test_lifted_features_are_never_negative():
    lifted = somewhere(FeatureUplift(8, 4, blocks=2))(FEATURES, LARGE)
    assert lifted.min() == 0


def test_the_answer_does_not_bend_the_estimated_size():
    network = somewhere(ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,), uplift_hidden=4, uplift_blocks=1))
    output = network.analyse(torch.rand(4, 1, 16, 16) * 255)
    (output.logits.square().sum() + output.lifted.square().sum()).backward()
    assert all(parameter.grad is None for parameter in network.effective_size.parameters())
    assert network.uplift.blocks[0].modulation[0].weight.grad.abs().max() > 0
