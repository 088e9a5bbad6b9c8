import pytest
import torch

from fsrfer.losses.feature import attention_loss, feature_loss, perceptual_loss, squared_distance

FEAT_SR = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])  # 2 x 1 x 2 x 2
FEAT_HR = torch.tensor([[[[1.0, 0.0], [3.0, 5.0]]], [[[1.0, 1.0], [1.0, 3.0]]]])
# squared distances: 0 + 4 + 0 + 1 = 5 and 1 + 1 + 1 + 9 = 12


def test_squared_distance_sums_over_the_whole_feature():
    assert squared_distance(FEAT_SR, FEAT_HR).tolist() == [5, 12]


def test_feature_loss_by_hand():
    assert feature_loss(FEAT_SR, FEAT_HR).item() == pytest.approx(0.01 * (5 + 12) / 2)
    weights = torch.tensor([2.25, 0.25])
    assert feature_loss(FEAT_SR, FEAT_HR, weights).item() == pytest.approx(0.01 * (2.25 * 5 + 0.25 * 12) / 2)
    assert feature_loss(FEAT_SR, FEAT_HR, coefficient=1.0).item() == pytest.approx(8.5)


def test_perceptual_loss_by_hand():
    hidden_sr, hidden_hr = torch.tensor([[1.0, -1.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    # squared distances: 1 + 4 = 5 and 0 + 1 = 1
    assert perceptual_loss(hidden_sr, hidden_hr).item() == pytest.approx(10 * (5 + 1) / 2)
    weights = torch.tensor([0.5, 2.0])
    assert perceptual_loss(hidden_sr, hidden_hr, weights).item() == pytest.approx(10 * (2.5 + 2) / 2)


def test_gradient_points_away_from_the_target():
    feat_sr = FEAT_SR.clone().requires_grad_()
    feature_loss(feat_sr, FEAT_HR).backward()
    # 0.01 * 2 (sr - hr) / N
    torch.testing.assert_close(feat_sr.grad, 0.01 * (FEAT_SR - FEAT_HR))


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 1, 2, 2\) with \(1, 1, 2, 2\)"):
        feature_loss(FEAT_SR, FEAT_HR[:1])


def test_attention_loss_by_hand():
    # squares summed over two channels: (9 + 0, 0 + 16) / 18.36 and (0 + 0, 1 + 0) / 1
    one, other = torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]]]), torch.tensor([[[[0.0, 1.0]], [[0.0, 0.0]]]])
    norm = (9**2 + 16**2) ** 0.5
    assert attention_loss(one, other).item() == pytest.approx((9 / norm) ** 2 + (16 / norm - 1) ** 2)


def test_attention_does_not_mind_what_is_seen_nor_how_strongly():
    maps = torch.rand(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    assert attention_loss(maps, 7 * maps.flip(1)).item() == pytest.approx(0, abs=1e-6)


def test_a_face_without_any_features_attends_to_nothing():
    blank = torch.zeros(1, 4, 2, 2, requires_grad=True)
    attention_loss(blank, torch.ones(1, 4, 2, 2)).backward()
    assert torch.isfinite(blank.grad).all()
