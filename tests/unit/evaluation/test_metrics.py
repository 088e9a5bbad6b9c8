import numpy as np
import pytest

from fsrfer.evaluation.by_factor import by_camera, probabilities_at
from fsrfer.evaluation.calibration import (
    PROMISE,
    SPREAD,
    Views,
    certain_threshold,
    crossfitted,
    fit_calibration,
    fit_certainty,
    selective_accuracy,
    temperatures,
    view_probabilities,
)
from fsrfer.evaluation.metrics import calibration_error, score, wilson_interval
from fsrfer.images import shrink_and_restore
from fsrfer.types import Calibration


def one_hot(answers, classes=7):
    return np.eye(classes)[answers]


def test_scores_worked_out_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    scores = score(labels, one_hot([0, 0, 1, 1, 0, 2]))
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.confusion[:3, :3].tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    # F1: class 0 2*2/(3+3), class 1 2*1/(2+2), class 2 1; classes 3..6 do not occur
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert scores.recall[:3] == pytest.approx([2 / 3, 1 / 2, 1])
    assert np.isnan(scores.recall[3])
    assert scores.to_dict()["recall"]["happiness"] is None


def test_a_class_answered_but_never_true_lowers_the_others_only():
    scores = score(np.array([0, 0]), one_hot([0, 3]))
    assert scores.macro_f1 == pytest.approx(2 / 3)


def test_wilson_is_known_and_stays_in_range():
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
    # bins of 1/15: 0.9 -> right once of two, gap |1 - 1.8|; 0.7 right, gap 0.3; 0.6 wrong, gap 0.6
    assert calibration_error(np.array([0, 1, 0, 1]), probabilities) == pytest.approx((0.8 + 0.3 + 0.6) / 4)


def test_score_refuses_nothing_and_mismatches():
    with pytest.raises(ValueError, match="need N labels"):
        score(np.zeros(0, np.int64), np.zeros((0, 7)))
    with pytest.raises(ValueError, match="need N labels"):
        score(np.zeros(3, np.int64), np.zeros((2, 7)))


def test_temperature_is_recovered_from_overconfident_logits():
    views, labels = drawn_answers(lambda octaves: np.full_like(octaves, 2.0))
    found = fit_calibration({1.0: views}, labels, degree=0)
    assert np.exp(found.temperature[0]) == pytest.approx(2.0, rel=0.05)
    assert found.constants == pytest.approx((0.0,) * 7, abs=0.1)
    assert found.weights == ((0.0, 0.0),)


def test_a_temperature_that_rises_as_faces_shrink_is_recovered():
    views, labels = drawn_answers(lambda octaves: np.exp(0.1 - 0.3 * octaves))
    octaves = np.array([0.0, -1.0, -2.0, -3.0])
    found = temperatures(octaves, fit_calibration({1.0: views}, labels).temperature)
    np.testing.assert_allclose(found, np.exp(0.1 - 0.3 * octaves), rtol=0.1)


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
    views = Views((each * temperatures(octaves, (-0.35, -0.2, -0.03))[:, None, None])[None], octaves[None])

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


def test_the_threshold_is_the_smallest_that_holds_at_every_factor():
    labels = np.zeros(200, np.int64)
    sharp = np.repeat([[0.9, 0.1], [0.445, 0.555]], 100, axis=0)  # always right from 0.56 on
    small = np.repeat([[0.9, 0.1], [0.295, 0.705]], 100, axis=0)  # always right from 0.71 on
    assert certain_threshold({1: sharp}, labels) == pytest.approx(0.56)
    assert certain_threshold({1: sharp, 8: small}, labels) == pytest.approx(0.71)
    assert selective_accuracy(small, labels, small.max(1) >= 0.71) == (1.0, 0.5)
    assert selective_accuracy(small, labels, small.max(1) >= 0.95) == (None, 0.0)


def test_a_threshold_that_holds_by_luck_below_one_that_does_not_is_passed_over():
    # 40 surest answers, half of them wrong; then 960 right ones at 0.75 that would lift the average above 88%.
    probabilities = np.repeat([[0.955, 0.045], [0.045, 0.955], [0.755, 0.245]], [20, 20, 960], axis=0)
    labels = np.zeros(1000, np.int64)
    accuracy, _ = selective_accuracy(probabilities, labels, probabilities.max(1) >= 0.75)
    assert accuracy == pytest.approx(0.98)
    assert certain_threshold({1: probabilities}, labels) == pytest.approx(0.96)


def test_a_handful_of_certain_answers_decides_nothing():
    probabilities = np.repeat([[0.955, 0.045], [0.045, 0.955], [0.755, 0.245]], [9, 20, 960], axis=0)
    assert certain_threshold({1: probabilities}, np.zeros(989, np.int64)) == pytest.approx(0.30)


def test_sizes_without_enough_certain_answers_get_none_instead_of_a_higher_threshold_for_all():
    labels = np.zeros(100, np.int64)
    sharp = np.tile([0.905, 0.095], (100, 1))
    small = np.repeat([[0.905, 0.095], [0.095, 0.905]], [20, 80], axis=0)  # sure, and mostly wrong
    heights = {1.0: np.full(100, 48.0), 8.0: np.full(100, 6.0)}
    rule = fit_certainty({1.0: sharp, 8.0: small}, heights, labels, size=48)
    assert (rule.threshold, rule.least_px) == (PROMISE, 48.0)
    assert rule.of(sharp, heights[1.0]).all()
    assert not rule.of(small, heights[8.0]).any()


def test_where_every_size_has_its_certain_answers_none_is_left_out():
    labels, heights = np.zeros(100, np.int64), {1.0: np.full(100, 48.0), 8.0: np.full(100, 6.0)}
    sure = np.tile([0.905, 0.095], (100, 1))
    assert fit_certainty({1.0: sure, 8.0: sure}, heights, labels, size=48).least_px == 0


def test_an_answer_less_probable_than_the_promise_is_never_certain_though_all_such_were_right():
    labels, heights = np.zeros(200, np.int64), {1.0: np.full(200, 48.0)}
    right = np.repeat([[0.905, 0.095], [0.845, 0.155]], 100, axis=0)
    assert certain_threshold({1.0: right}, labels) < PROMISE
    rule = fit_certainty({1.0: right}, heights, labels, size=48)
    assert rule.of(right, heights[1.0]).tolist() == [True] * 100 + [False] * 100


def test_where_no_rule_holds_nothing_is_certain():
    wrong = np.tile([0.1, 0.9], (100, 1))
    rule = fit_certainty({1.0: wrong}, {1.0: np.full(100, 48.0)}, np.zeros(100, np.int64), size=48)
    assert rule.threshold == 1.0


def test_a_poor_camera_makes_the_same_picture_of_the_same_face_and_another_of_each():
    face = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)

    def measured(count, batch):
        seen = []

        def predict(faces):
            seen.extend(faces)
            return np.zeros((len(faces), 7), np.float32)

        probabilities_at(predict, lambda _: face, count, 2.0, batch=batch, degrade=by_camera)
        return seen

    pictures = measured(7, batch=7)
    for found, again in zip(pictures, measured(7, batch=3), strict=True):
        np.testing.assert_array_equal(found, again)
    assert len({picture.tobytes() for picture in pictures}) == 7
    assert pictures[0].shape == face.shape


def test_faces_are_shrunk_one_by_one_and_in_order():
    rng = np.random.default_rng(0)
    faces = [rng.integers(0, 256, (size, size), np.uint8) for size in (20, 30, 40, 50, 60)]
    seen = []

    def predict(batch):
        seen.extend(batch)
        return np.full((len(batch), 7), 1 / 7, np.float32)

    probabilities = probabilities_at(predict, faces.__getitem__, 5, 3.0, batch=2)
    assert probabilities.shape == (5, 7)
    for face, degraded in zip(faces, seen, strict=True):
        np.testing.assert_array_equal(degraded, shrink_and_restore(face, 3.0))
