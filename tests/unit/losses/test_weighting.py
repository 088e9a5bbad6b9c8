import math

import pytest
import torch

from fsrfer.losses.weighting import classification_aware_weight, weighted_mean


def test_weight_by_hand():
    # softmax of (log 3, 0) is (3/4, 1/4)
    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    weights = classification_aware_weight(logits, torch.tensor([0, 1]))
    # (1.5 - 0.75)^2 = 0.5625 and (1.5 - 0.25)^2 = 1.5625
    torch.testing.assert_close(weights, torch.tensor([0.5625, 1.5625]))


def test_extremes():
    logits = torch.tensor([[200.0, -200.0], [200.0, -200.0]])
    assert classification_aware_weight(logits, torch.tensor([1, 0])).tolist() == [2.25, 0.25]


def test_weight_falls_as_the_true_class_grows_likelier():
    logits = torch.stack([torch.linspace(-5, 5, 20), torch.zeros(20)], dim=1)
    weights = classification_aware_weight(logits, torch.zeros(20, dtype=torch.long))
    assert (weights.diff() < 0).all()


def test_no_gradient_flows_through_a_weight():
    assert not classification_aware_weight(torch.zeros(1, 2, requires_grad=True), torch.tensor([0])).requires_grad


def test_weighted_mean_divides_by_the_number_of_samples():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert weighted_mean(values).item() == 3
    assert weighted_mean(values, torch.tensor([2.0, 1.0, 0.5])).item() == pytest.approx((2 + 2 + 3) / 3)
