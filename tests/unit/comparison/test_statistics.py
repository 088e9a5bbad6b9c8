import numpy as np
import pytest

from fsrfer.comparison.statistics import difference, estimate, figures, holm, mcnemar
from fsrfer.evaluation.metrics import score, wilson_interval


def probabilities(answers, confidence=0.7):
    others = (1 - confidence) / 6
    return (np.eye(7)[answers] * (confidence - others) + others).astype(np.float32)


def test_mcnemar_worked_out_by_hand():
    first = np.array([True] * 8 + [False] * 2 + [True] * 5 + [False] * 3)
    second = np.array([False] * 8 + [True] * 2 + [True] * 5 + [False] * 3)
    # 8 against 2: 2 (1 + 10 + 45) / 2^10
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(112 / 1024)
    assert mcnemar(first, first) == 1.0
    assert mcnemar(first[8:10], np.array([True, False])) == 1.0


def test_mcnemar_of_many_faces_does_not_overflow():
    first = np.arange(6000) < 3500
    # 3500 against 2500: 12.9 standard deviations apart
    assert 0 < mcnemar(first, ~first) < 1e-30


def test_figures_are_those_of_score_and_one_run_gets_wilson():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    run = rng.dirichlet(np.ones(7), 200).astype(np.float32)
    expected, found = score(labels, run), figures(labels, [run], draws=20)
    assert found.accuracy.mean == pytest.approx(expected.accuracy)
    assert found.macro_f1.mean == pytest.approx(expected.macro_f1)
    assert found.calibration_error.mean == pytest.approx(expected.calibration_error)
    assert found.accuracy.interval == expected.interval
    assert found.accuracy.deviation is None


def test_several_seeds_have_a_mean_a_deviation_and_a_wider_interval():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 7, 400)
    runs = [probabilities(np.where(rng.random(400) < skill, labels, (labels + 1) % 7)) for skill in (0.5, 0.6, 0.7)]
    shares = [float((run.argmax(1) == labels).mean()) for run in runs]
    together = figures(labels, runs, draws=500).accuracy
    assert together.mean == pytest.approx(np.mean(shares))
    assert together.deviation == pytest.approx(np.std(shares, ddof=1))
    low, high = wilson_interval(round(400 * together.mean), 400)
    assert together.interval[0] < low < together.mean < high < together.interval[1]


def test_bootstrap_over_faces_agrees_with_theory():
    right = np.arange(1000) < 300
    found = estimate([lambda counts: counts @ right / 1000], 1000, draws=2000)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert found.interval == pytest.approx((0.3 - half, 0.3 + half), abs=0.003)


def test_a_paired_difference_is_sharper_than_two_intervals():
    first = np.zeros((1, 1000), bool)
    second = np.zeros((1, 1000), bool)
    first[0, :520] = second[0, :500] = True
    found = difference(first, second)
    assert found.mean == pytest.approx(0.02)
    assert found.interval[0] > 0.01
    assert found.test == "mcnemar"
    assert found.p == pytest.approx(2 / 2**20)
    back = difference(second, first)
    assert (back.mean, back.p) == (-found.mean, found.p)


def test_seeds_that_disagree_leave_a_difference_open():
    half = np.arange(1000) < 500
    first = np.stack([half, np.arange(1000) < 560, np.arange(1000) < 440])
    second = np.stack([half, np.arange(1000) < 450, np.arange(1000) < 540])
    found = difference(first, second, draws=500)
    assert found.test == "bootstrap"
    assert found.interval[0] < 0 < found.interval[1]
    assert found.p > 0.2
    assert difference(np.ones((2, 1000), bool), second, draws=500).p < 1e-6
    assert difference(second, second, draws=500).p == 1.0


def test_p_of_several_runs_agrees_with_mcnemar_where_seeds_change_nothing():
    first, second = np.arange(1000) < 540, np.roll(np.arange(1000) < 510, 50)  # 50 faces against 20
    single = difference(first[None], second[None])
    several = difference(np.stack([first] * 3), np.stack([second] * 3))
    assert single.interval == pytest.approx(several.interval, abs=0.003)
    assert several.p == pytest.approx(single.p, abs=1e-3)
    assert single.p == pytest.approx(0.000440285, rel=1e-6)  # binomial test of 20 in 70


def test_the_order_of_faces_changes_nothing_but_the_draws():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 7, 300)
    runs = [rng.dirichlet(np.ones(7), 300) for _ in range(2)]
    order = rng.permutation(300)
    straight, shuffled = figures(labels, runs, draws=400), figures(labels[order], [r[order] for r in runs], draws=400)
    for name in ("accuracy", "macro_f1", "calibration_error"):
        one, other = getattr(straight, name), getattr(shuffled, name)
        assert one.mean == pytest.approx(other.mean)
        assert one.interval == pytest.approx(other.interval, abs=0.02)
    assert figures(labels, runs, draws=50) == figures(labels, runs, draws=50)


def test_holm_keeps_the_order_given_and_never_passes_one():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_other_faces_are_refused():
    with pytest.raises(ValueError, match="same faces"):
        difference(np.ones((1, 5), bool), np.ones((1, 6), bool))
    with pytest.raises(ValueError, match="need N labels"):
        figures(np.zeros(3, np.int64), [])
