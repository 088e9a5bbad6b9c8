import pytest
import torch
from torch import nn

from fsrfer.training.average import moving_average


def moved(network, value, count):
    """The network after an update by which its weight is ``value``."""
    with torch.no_grad():
        network.weight.fill_(value)
        network.running_mean.fill_(value)
        network.num_batches_tracked.fill_(count)
    return network


def after(updates, decay):
    network = nn.BatchNorm1d(1)
    average = moving_average(network, decay)
    for count, value in enumerate(updates, 1):
        average.update_parameters(moved(network, value, count))
    return average


def test_it_follows_slowly_statistics_too_and_counts_exactly():
    average = after([0.0] * 1000 + [1.0], decay=0.9).module
    assert average.weight.item() == pytest.approx(0.1)
    assert average.running_mean.item() == pytest.approx(0.1)
    assert average.num_batches_tracked.item() == 1001


def test_the_start_is_soon_forgotten():
    # The weight of the past is (1 + n) / (10 + n) after n updates: 2/11 after the first, 3/12 after the second.
    assert after([1.0, 0.0], decay=0.999).module.weight.item() == pytest.approx(2 / 11)
    assert after([1.0, 0.0, 0.0], decay=0.999).module.weight.item() == pytest.approx(2 / 11 * 3 / 12)


def test_without_decay_it_is_the_network_itself():
    assert after([3.0, 5.0, 7.0], decay=0.0).module.weight.item() == 7


def test_it_is_another_network_closed_to_gradients():
    network = nn.BatchNorm1d(1)
    average = moving_average(network, 0.9)
    moved(network, 5.0, 1)
    assert average.module.weight.item() == 1
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert network.weight.requires_grad
