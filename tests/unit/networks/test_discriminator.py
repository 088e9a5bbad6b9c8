import pytest
import torch
from torch import nn

from fsrfer.networks.discriminator import FeatureDiscriminator


def test_layers_of_the_paper():
    critic = FeatureDiscriminator()
    convs = [module for module in critic.modules() if isinstance(module, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [8, 8, 16, 16, 32, 32, 64, 64, 64, 64]
    assert [conv.kernel_size[0] for conv in convs] == [3, 4] * 5
    assert all(conv.bias is None for conv in convs)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in critic.modules())
    with torch.no_grad():
        assert critic.body(torch.zeros(1, 1, 128, 128)).shape == (1, 64, 4, 4)
    assert [m.out_features for m in critic.modules() if isinstance(m, nn.Linear)] == [100, 1]


@pytest.mark.parametrize("shape", [(1, 32, 32), (48, 7, 5), (64, 1, 1), (2, 3, 128)])
def test_any_feature_size(shape):
    critic = FeatureDiscriminator(shape, widths=(4, 8, 8))
    assert critic(torch.randn(2, *shape)).shape == (2,)


def test_slope_can_be_differentiated_again():
    torch.manual_seed(0)
    critic = FeatureDiscriminator((1, 8, 8), widths=(4, 4))
    features = torch.randn(2, 1, 8, 8, requires_grad=True)
    (gradients,) = torch.autograd.grad(critic(features).sum(), features, create_graph=True)
    gradients.square().sum().backward()
    assert all(m.weight.grad.abs().sum() > 0 for m in critic.modules() if isinstance(m, nn.Conv2d | nn.Linear))
