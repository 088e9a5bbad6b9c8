import numpy as np
import pytest
import torch

from fsrfer.export.calibration import SPREAD, Views, crossfitted, fit_calibration, view_probabilities
from fsrfer.networks.calibrated import temperatures
from fsrfer.types import Calibration


def test_temperature_is_recovered_from_overconfident_logits():
    views, labels = drawn_answers(lambda octaves: np.full_like(octaves, 2.0))
    found = fit_calibration({1.0: views}, labels, degree=0)
    assert np.exp(found.temperature[0]) == pytest.approx(2.0, rel=0.05)
    assert found.constants == pytest.approx((0.0,) * 7, abs=0.1)
    assert found.weights == ((0.0, 0.0),)


def test_a_temperature_that_rises_as_faces_shrink_is_recovered():
    views, labels = drawn_answers(lambda octaves: np.exp(0.1 - 0.3 * octaves))
    octaves, fitted = torch.tensor([0.0, -1.0, -2.0, -3.0]), fit_calibration({1.0: views}, labels)
    found = temperatures(octaves, torch.tensor(fitted.temperature))
    torch.testing.assert_close(found, torch.exp(0.1 - 0.3 * octaves), rtol=0.1, atol=0.0)


@pytest.mark.parametrize(("answered", "probability"), [(0, 0.832), (1, 0.525)])
def test_a_temperature_stays_within_a_quarter_and_four(answered, probability):
    # Two kinds of faces, always right or never: the best temperature would be 0, or endless.
    views = Views(np.tile([[[0.4, 0.0]], [[0.0, 0.4]]], (100, 1, 1))[None], np.zeros((1, 200)))
    labels = (np.arange(200) + answered) % 2
    found = view_probabilities(views, fit_calibration({1.0: views}, labels, degree=0))
    np.testing.assert_allclose(found.max(1), probability, atol=0.001)


def test_a_class_that_is_called_too_seldom_gets_a_constant():
    views, labels = drawn_answers(np.ones_like, constants=(0.8, 0, 0, 0, 0, 0, 0))
    found = np.array(fit_calibration({1.0: views}, labels).constants)
    assert found[0] - found[1:].mean() == pytest.approx(0.8, abs=0.1)


def test_the_network_that_sees_best_at_a_size_counts_most_there():
    views, labels = drawn_answers(np.ones_like)
    noise = np.random.default_rng(1).normal(0, 2.0, (2, *views.logits.shape))
    near, octaves = views.octaves[..., None, None], views.octaves
    sharp, small = views.logits - near * noise[0], views.logits + (near + 3) * noise[1]
    found = fit_calibration({1.0: Views(np.concatenate([sharp, small], 2), octaves)}, labels)
    (score, slope), (other_score, other_slope) = found.weights
    assert score > other_score + 1
    assert score - 3 * slope < other_score - 3 * other_slope - 1


def test_networks_that_are_alike_count_alike():
    views, labels = drawn_answers(np.ones_like)
    twice = Views(np.concatenate([views.logits, views.logits], 2), views.octaves)
    assert fit_calibration({1.0: twice}, labels).weights == ((0.0, 0.0), (0.0, 0.0))
    one, two = (view_probabilities(rows, fit_calibration({1.0: rows}, labels)) for rows in (views, twice))
    np.testing.assert_allclose(one, two, atol=1e-3)


def test_a_class_without_a_face_keeps_its_odds():
    views, labels = drawn_answers(np.ones_like)
    seen = labels != 6
    assert fit_calibration({1.0: views[seen]}, labels[seen]).constants[6] == 0.0


def drawn_answers(temperature_at, constants=(0.0,) * 7):
    """Logits that are honest after constants and a temperature that depends on the octaves, and labels drawn from them."""
    rng = np.random.default_rng(0)
    honest, octaves = rng.normal(0, 1.5, (20_000, 7)), rng.uniform(-3, 0, 20_000)
    probabilities = view_probabilities(Views(honest[None, :, None], octaves[None]), Calibration.of_temperature(0.0))
    labels = (probabilities.cumsum(1) < rng.random((20_000, 1))).sum(1)
    raw = honest * temperature_at(octaves)[:, None] - constants
    return Views(raw[None, :, None], octaves[None]), labels


@pytest.mark.parametrize("seed", [16, 17, 45, 51])
def test_no_neighbour_of_the_fitted_calibration_explains_the_labels_better(seed):
    rng = np.random.default_rng(seed)
    octaves, honest = -np.log2(rng.integers(1, 9, 400)), rng.normal(0, 1.5, (400, 7))
    labels = np.array([rng.choice(7, p=np.exp(row) / np.exp(row).sum()) for row in honest])
    each = np.stack([honest, honest + rng.normal(0, 1, honest.shape)], 1)
    hot = temperatures(torch.from_numpy(octaves), torch.tensor([-0.35, -0.2, -0.03])).numpy()
    views = Views((each * hot[:, None, None])[None], octaves[None])

    def loss(numbers):
        given = Calibration(tuple(numbers[:3]), tuple(zip(numbers[3:5], numbers[5:7], strict=True)), tuple(numbers[7:]))
        likelihood = np.log(view_probabilities(views, given)[np.arange(400), labels]).mean()
        return (numbers[3:] ** 2).sum() / (2 * SPREAD**2 * 400) - likelihood

    fitted = fit_calibration({1.0: views}, labels)
    found = np.array([*fitted.temperature, *np.array(fitted.weights).T.ravel(), *fitted.constants])
    for step in np.vstack([np.eye(14), -np.eye(14)]) * [0.05, 0.05, 0.02, *[0.05] * 11]:
        assert loss(found + step) > loss(found)


def test_views_are_averaged_as_probabilities_each_at_its_own_temperature():
    logits = np.array([[[[0.0, np.log(3.0)]]], [[[0.0, np.log(9.0)]]]])
    views = Views(logits, np.array([[0.0], [-1.0]]))  # temperatures 1 and 2: odds of 3 and 3
    calibration = Calibration.of_temperature(0.0, -np.log(2.0), classes=2)
    np.testing.assert_allclose(view_probabilities(views, calibration), [[0.25, 0.75]])


def test_networks_are_weighed_and_constants_added_before_the_temperature():
    views = Views(np.array([[[[0.0, 1.0], [0.0, 4.0]]]]), np.array([[-1.0]]))
    calibration = Calibration((np.log(2.0),), ((0.0, 0.0), (0.0, np.log(2.0))), (0.0, 1.0))
    # weights 2/3 and 1/3 an octave below: 2, and 1 more, halved
    expected = 1 / (1 + np.exp(-1.5))
    assert view_probabilities(views, calibration)[0, 1] == pytest.approx(expected)


def test_crossfitted_probabilities_know_nothing_of_a_faces_own_half():
    rng = np.random.default_rng(0)
    views = {1.0: Views(rng.normal(0, 1, (1, 400, 1, 7)), np.zeros((1, 400)))}
    labels = rng.integers(0, 7, 400)
    other = np.where(np.arange(400) % 2 == 1, (labels + 1) % 7, labels)
    before, after = crossfitted(views, labels, degree=0)[1.0], crossfitted(views, other, degree=0)[1.0]
    np.testing.assert_array_equal(before[1::2], after[1::2])
    assert np.abs(before[::2] - after[::2]).max() > 0.01
