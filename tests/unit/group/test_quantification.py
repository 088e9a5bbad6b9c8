import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.evaluation.metrics import soft_confusion
from fsrfer.group.quantification import (
    confusion_at,
    design_effect,
    expectation_maximisation,
    likelihood,
    posterior_shares,
)
from quantifiers import adjusted_count, classify_and_count, mean_probability, onto_simplex, rates

SEEDS = st.integers(0, 2**32 - 1)


def confused(seed: int, strength: float = 0.5) -> np.ndarray:
    """Rates of a classifier that is right a bit more than ``strength`` of the time."""
    rng = np.random.default_rng(seed)
    return strength * np.eye(7) + (1 - strength) * rng.dirichlet(np.ones(7), 7)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_known_confusion_is_undone_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, shares = confused(seed), rng.dirichlet(np.ones(7))
    expected = (shares @ matrix)[None]
    found = adjusted_count(expected, matrix[None])
    assert found == pytest.approx(shares, abs=2e-3)
    assert found.sum() == pytest.approx(1)


def test_confusions_of_several_sizes_are_undone_together() -> None:
    shares = np.array([0.05, 0.1, 0.15, 0.4, 0.1, 0.15, 0.05])
    matrices = np.stack([confused(1, 0.8), confused(2, 0.3)])
    answers = np.stack([shares @ matrix for matrix in matrices])
    assert adjusted_count(answers, matrices, np.array([10.0, 90.0])) == pytest.approx(shares, abs=1e-3)


@given(st.lists(st.floats(-5, 5), min_size=7, max_size=7))
def test_projection_onto_the_simplex(values: list[float]) -> None:
    point = np.array(values)
    found = onto_simplex(point)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.ones(7), 50)
    assert ((others - point) ** 2).sum(axis=1).min() >= ((found - point) ** 2).sum() - 1e-9


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_order_of_the_faces_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(7, 0.5), 20)
    shuffled = rows[rng.permutation(20)]
    matrices = np.broadcast_to(confused(seed), (20, 7, 7))
    for method in (
        classify_and_count,
        mean_probability,
        expectation_maximisation,
        lambda r: adjusted_count(r, matrices),
    ):
        assert method(rows) == pytest.approx(method(shuffled), abs=1e-6)
        assert method(rows).sum() == pytest.approx(1)


def calibrated_faces(shares: np.ndarray, count: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces of known shares, and probabilities that are calibrated for equal shares."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7), rng.multinomial(count, shares))
    scores = rng.normal(size=(count, 7)) + sharpness * np.eye(7)[labels]
    powers = np.exp(sharpness * scores)
    return powers / powers.sum(axis=1, keepdims=True), labels


def test_likeliest_shares_of_a_large_crowd_are_right() -> None:
    shares = np.array([0.02, 0.03, 0.05, 0.5, 0.1, 0.05, 0.25])
    rows, _ = calibrated_faces(shares, 20000, 1.5, 3)
    equal = np.full((1, 7), 1 / 7)
    assert expectation_maximisation(likelihood(rows, equal)) == pytest.approx(shares, abs=0.015)
    assert np.abs(classify_and_count(rows) - shares).max() > 0.05


def test_intervals_are_wide_for_unsure_faces_and_hold_the_truth() -> None:
    shares = np.array([0.05, 0.05, 0.1, 0.4, 0.1, 0.1, 0.2])
    rng, equal = np.random.default_rng(0), np.full((1, 7), 1 / 7)
    widths = []
    for sharpness in (3.0, 1.0, 0.4):
        held, width = [], []
        for seed in range(6):
            rows, labels = calibrated_faces(shares, 100, sharpness, seed)
            draws = posterior_shares(likelihood(rows, equal), np.ones(100, int), rng, draws=400)
            low, high = np.quantile(draws, [0.025, 0.975], axis=0)
            truth = np.bincount(labels, minlength=7) / 100
            held.append((low <= truth) & (truth <= high))
            width.append(high - low)
        assert np.mean(held) >= 0.88
        widths.append(np.mean(width))
    assert widths[0] < widths[1] < widths[2]
    assert widths[2] > 2 * widths[0]


def test_a_few_sure_faces_are_believed() -> None:
    rows = np.tile(np.where(np.arange(7) == 3, 0.98, 0.02 / 6), (3, 1))
    draws = posterior_shares(likelihood(rows, np.full((1, 7), 1 / 7)), np.ones(3, int), np.random.default_rng(0))
    assert draws[:, 3].mean() > 0.97


def test_a_row_may_stand_for_many_faces() -> None:
    rows, _ = calibrated_faces(np.full(7, 1 / 7), 20, 1.0, 0)
    likelihoods = likelihood(rows, np.full((1, 7), 1 / 7))
    apart = posterior_shares(np.repeat(likelihoods, 3, axis=0), np.ones(60, int), np.random.default_rng(0), draws=2000)
    joined = posterior_shares(likelihoods, np.full(20, 3), np.random.default_rng(1), draws=2000)
    np.testing.assert_allclose(joined.mean(axis=0), apart.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(joined.std(axis=0), apart.std(axis=0), atol=0.01)


def test_errors_in_common_widen_by_hand() -> None:
    shares, calibration = np.array([0.5, 0.5, 0, 0, 0, 0, 0]), np.full(7, 100.0)
    assert design_effect(shares, 50, 50, calibration) == pytest.approx(1 + 50 * 2 * (0.25 / 100 + 0.25 / 100))
    assert design_effect(shares, 50, 50, np.full(7, np.inf)) == 1
    assert design_effect(shares, 100, 50, np.full(7, np.inf)) == 2


def test_no_faces_have_no_shares() -> None:
    with pytest.raises(ValueError, match="no faces"):
        posterior_shares(np.zeros((0, 7)), np.zeros(0), np.random.default_rng(0))
    with pytest.raises(ValueError, match="no confusion"):
        confusion_at({}, 20)


def test_confusion_between_two_measured_heights() -> None:
    small, large = np.full((7, 7), 2.0), 14 * np.eye(7)
    confusions = {12.0: small, 48.0: large}
    assert confusion_at(confusions, 24.0) == pytest.approx((small + large) / 2)
    assert confusion_at(confusions, 3.0).tolist() == small.tolist()
    assert confusion_at(confusions, 300.0).tolist() == large.tolist()
    assert confusion_at(confusions, 12.0).tolist() == small.tolist()


def test_soft_confusion_and_its_rates() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 30)
    labels = np.arange(30) % 6
    sums = soft_confusion(rows, labels)
    assert sums.sum(axis=1).tolist() == pytest.approx([5] * 6 + [0])
    assert sums.sum(axis=0) == pytest.approx(rows.sum(axis=0))
    normalised = rates(sums)
    assert normalised.sum(axis=1) == pytest.approx(np.ones(7))
    assert normalised[6, 6] == pytest.approx(np.trace(sums) / 30)
