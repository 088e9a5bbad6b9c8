import pytest
from torch import nn

from fsrfer.training.average import MovingAverage


def after(values, decay):
    """The average, and its network, after updates by which weight and running mean are these values."""
    network = nn.BatchNorm1d(1)
    average, state = MovingAverage(network, decay), network.state_dict()  # its tensors are the network's own
    for count, value in enumerate(values, 1):
        for name, number in (("weight", value), ("running_mean", value), ("num_batches_tracked", count)):
            state[name].fill_(number)
        average.update(network)
    return average.module, network


def test_it_follows_slowly_statistics_too_and_counts_exactly():
    average, _ = after([0.0] * 1000 + [1.0], decay=0.9)
    assert average.weight.item() == average.running_mean.item() == pytest.approx(0.1)
    assert average.num_batches_tracked.item() == 1001


def test_the_start_is_soon_forgotten():
    # The weight of the past is (1 + n) / (10 + n) after n updates: 2/11 after the first, 3/12 after the second.
    assert after([1.0, 0.0], decay=0.999)[0].weight.item() == pytest.approx(2 / 11)
    assert after([1.0, 0.0, 0.0], decay=0.999)[0].weight.item() == pytest.approx(2 / 11 * 3 / 12)


def test_without_decay_it_is_the_network_itself_but_closed_to_gradients():
    average, network = after([3.0, 5.0, 7.0], decay=0.0)
    assert average.weight.item() == 7
    assert average is not network
    assert network.weight.requires_grad and not average.weight.requires_grad
