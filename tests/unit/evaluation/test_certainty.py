import numpy as np
import pytest

from fsrfer.evaluation.certainty import PROMISE, certain_threshold, fit_certainty, selective_accuracy


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


LEFT = {1.0: 48.0, 8.0: 6.0}


def test_sizes_without_enough_certain_answers_get_none_instead_of_a_higher_threshold_for_all():
    labels = np.zeros(100, np.int64)
    sharp = np.tile([0.905, 0.095], (100, 1))
    small = np.repeat([[0.905, 0.095], [0.095, 0.905]], [20, 80], axis=0)  # sure, and mostly wrong
    heights = {1.0: np.full(100, 48.0), 8.0: np.full(100, 6.0)}
    rule = fit_certainty({1.0: sharp, 8.0: small}, heights, labels, LEFT)
    assert (rule.threshold, rule.least_px) == (PROMISE, 48.0)
    assert rule.of(sharp, heights[1.0]).all()
    assert not rule.of(small, heights[8.0]).any()


def test_where_every_size_has_its_certain_answers_none_is_left_out():
    labels, heights = np.zeros(100, np.int64), {1.0: np.full(100, 48.0), 8.0: np.full(100, 6.0)}
    sure = np.tile([0.905, 0.095], (100, 1))
    assert fit_certainty({1.0: sure, 8.0: sure}, heights, labels, LEFT).least_px == 0


def test_an_answer_less_probable_than_the_promise_is_never_certain_though_all_such_were_right():
    labels, heights = np.zeros(200, np.int64), {1.0: np.full(200, 48.0)}
    right = np.repeat([[0.905, 0.095], [0.845, 0.155]], 100, axis=0)
    assert certain_threshold({1.0: right}, labels) < PROMISE
    rule = fit_certainty({1.0: right}, heights, labels, LEFT)
    assert rule.of(right, heights[1.0]).tolist() == [True] * 100 + [False] * 100


def test_where_no_rule_holds_nothing_is_certain():
    wrong = np.tile([0.1, 0.9], (100, 1))
    rule = fit_certainty({1.0: wrong}, {1.0: np.full(100, 48.0)}, np.zeros(100, np.int64), LEFT)
    assert rule.threshold == 1.0


@pytest.mark.parametrize("px", [24.0, 6.85, 100.0])
def test_faces_of_the_last_size_with_certain_answers_may_be_certain_whatever_their_height(px):
    labels, sharp = np.zeros(100, np.int64), np.tile([0.905, 0.095], (100, 1))
    unsure = np.tile([0.6, 0.4], (100, 1))
    heights = {1.0: np.full(100, px), 8.0: np.full(100, px / 8)}
    rule = fit_certainty({1.0: sharp, 8.0: unsure}, heights, labels, {1.0: px, 8.0: px / 8})
    assert rule.of(sharp, heights[1.0]).all()
    assert not rule.of(sharp, heights[8.0]).any()
