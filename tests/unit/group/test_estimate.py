import json
from dataclasses import replace

import numpy as np
import pytest

from fsrfer.evaluation.metrics import soft_confusion
from fsrfer.group.counting import SIZE_EDGES, Counts, size_labels
from fsrfer.group.estimate import (
    MOST_ROWS,
    Average,
    Tally,
    estimate,
    join_alike,
)
from fsrfer.group.withholding import SmallestGroup
from fsrfer.labels import EXPRESSIONS
from fsrfer.recognition.certainty import CertaintyRule
from support.toy_model import TOY_INFO

RULE = CertaintyRule(certain_from=0.6, min_face=0.0)


def crowd(count: int, sharpness: float, seed: int = 0, height: float = 20) -> tuple[Tally, np.ndarray]:
    """A tally of faces, mostly happy, whose probabilities are as sharp as said; and its true shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(7, count, p=[0.05, 0.05, 0.05, 0.5, 0.05, 0.05, 0.25])
    powers = np.exp(sharpness * (rng.normal(size=(count, 7)) + sharpness * np.eye(7)[labels]))
    tally = Tally()
    for row in (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32):
        tally.add(RULE.judge(row, height), too_small=False)
    return tally, np.bincount(labels, minlength=7) / count


def width(tally: Tally) -> float:
    return float(np.mean([share.high - share.low for share in estimate(tally, TOY_INFO).shares.values()]))


def test_small_unsure_faces_give_wide_intervals_that_hold_the_truth() -> None:
    unsure, truth = crowd(120, 0.5)
    sure, _ = crowd(120, 3.0)
    assert width(unsure) > 2 * width(sure)
    shares = estimate(unsure, TOY_INFO).shares
    held = [share.low <= truth[index] <= share.high for index, share in enumerate(shares.values())]
    assert sum(held) >= 6


def test_the_same_faces_give_the_same_answer() -> None:
    assert estimate(crowd(50, 1.0)[0], TOY_INFO) == estimate(crowd(50, 1.0)[0], TOY_INFO)


def test_shares_are_shares() -> None:
    group = estimate(crowd(40, 1.0)[0], TOY_INFO)
    assert list(group.shares) == list(EXPRESSIONS)
    assert sum(share.value for share in group.shares.values()) == pytest.approx(1, abs=1e-6)
    assert all(0 <= share.low <= share.value <= share.high <= 1 for share in group.shares.values())
    assert group.valence is not None
    assert -1 <= group.valence.low <= group.valence.value <= group.valence.high <= 1
    assert not group.corrected


def test_nobody() -> None:
    group = estimate(Tally(), TOY_INFO)
    assert (group.faces, group.counted, group.shares, group.valence) == (0, 0, {}, None)


def test_faces_that_are_too_small_are_counted_apart() -> None:
    tally, _ = crowd(10, 1.0)
    before = estimate(tally, TOY_INFO)
    tally.add(RULE.judge(np.full(7, 1 / 7, np.float32), 4), too_small=True)
    after = estimate(tally, TOY_INFO)
    assert (after.faces, after.counted, after.too_small) == (11, 10, 1)
    assert after.shares == before.shares


def test_what_the_model_confuses_is_put_right() -> None:
    # A model that gives half of its sad faces to neutral, and says so.
    rng = np.random.default_rng(0)
    labels = np.repeat([4, 6], [400, 1600])
    says = np.where((labels == 4) & (rng.random(2000) < 0.5), 6, labels)
    rows = np.where(says[:, None] == np.arange(7), 0.7, 0.05).astype(np.float32)
    rows[says == 6] = np.where(np.arange(7) == 6, 0.7, np.where(np.arange(7) == 4, 0.1, 0.04))
    info = replace(TOY_INFO, confusion={"20": soft_confusion(rows, labels).tolist()})
    tally = Tally()
    for row in rows[rng.choice(400, 300)]:
        tally.add(RULE.judge(row, 20), too_small=False)
    plain, corrected = estimate(tally, TOY_INFO), estimate(tally, info)
    assert corrected.corrected
    assert corrected.shares["sadness"].value > plain.shares["sadness"].value + 0.1


def test_faces_are_corrected_by_their_effective_height_and_counted_by_their_height() -> None:
    row = np.full(7, 1 / 7, np.float32)
    tally = Tally()
    tally.add(RULE.judge(row, 60, 10), too_small=False)
    tally.add(RULE.judge(row, 60), too_small=False)
    assert tally.rows()[1].tolist() == [10, 60]
    assert tally.sizes.tolist() == [0, 0, 0, 0, 0, 0, 2, 0]


def test_the_confusion_at_the_effective_height_is_the_one_that_counts() -> None:
    # At 10 px this model says neutral for half of the sad faces, at 40 px it errs the same way on all classes.
    plain = np.full((7, 7), 1.0) + 13 * np.eye(7)
    sad_as_neutral = plain.copy()
    sad_as_neutral[4, 4], sad_as_neutral[4, 6] = 7.0, 8.0
    info = replace(TOY_INFO, confusion={"10": sad_as_neutral.tolist(), "40": plain.tolist()})
    row = np.where(np.arange(7) == 6, 0.7, 0.05).astype(np.float32)
    small, large, enlarged = Tally(), Tally(), Tally()
    for _ in range(40):
        small.add(RULE.judge(row, 10), too_small=False)
        large.add(RULE.judge(row, 40), too_small=False)
        enlarged.add(RULE.judge(row, 40, 10), too_small=False)
    assert estimate(enlarged, info).shares == estimate(small, info).shares
    assert estimate(enlarged, info).shares != estimate(large, info).shares


def test_more_sightings_of_the_same_people_make_no_surer() -> None:
    tally, _ = crowd(60, 1.5)
    thrice = Tally()
    for _ in range(3):
        thrice.merge(tally)
    again = estimate(thrice, TOY_INFO, people=60)
    once = estimate(tally, TOY_INFO)
    for name in EXPRESSIONS:
        assert again.shares[name].high > once.shares[name].high - 0.04
    assert again.faces == 180


def test_a_tally_takes_constant_space_and_survives_json() -> None:
    tally, _ = crowd(3000, 1.0)
    values = json.loads(json.dumps(tally.to_dict()))
    assert len(values["rows"]) <= MOST_ROWS
    assert estimate(Tally.from_dict(values), TOY_INFO) == estimate(tally, TOY_INFO)


def test_joined_faces_say_the_same() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.ones(3000), rng.uniform(6, 60, 3000), rng.dirichlet(np.full(7, 0.3), 3000)])
    joined = join_alike(rows, 1000)
    assert len(joined) <= 1000
    assert joined.sum(axis=0) == pytest.approx(rows.sum(axis=0))
    assert len(joined) > 200


def test_fewer_than_five_people_have_no_interval() -> None:
    sure = np.where(np.arange(7) == 3, 0.96, 0.04 / 6).astype(np.float32)
    one, twelve_times = Tally(), Tally()
    one.add(RULE.judge(sure, 40), too_small=False)
    for _ in range(12):
        twelve_times.merge(one)
    for group in (estimate(one, TOY_INFO), estimate(twelve_times, TOY_INFO, people=1)):
        assert not group.has_intervals
        assert group.people == 1
        assert group.to_dict()["shares"]["happiness"] == {"value": pytest.approx(0.96), "low": None, "high": None}
    assert estimate(twelve_times, TOY_INFO, people=5).has_intervals


def test_groups_too_small_for_intervals_widen_no_others() -> None:
    large, small = crowd(10, 1.0)[0], crowd(3, 1.0)[0]
    average = Average()
    for tally in (large, small):
        average.add(tally, estimate(tally, TOY_INFO))
    whole = average.estimate(people=10)
    assert whole.has_intervals
    assert all(0 <= share.low <= share.value <= share.high <= 1 for share in whole.shares.values())
    assert not average.estimate(people=4).has_intervals


def test_ten_faces_told_apart_with_certainty_leave_no_room() -> None:
    tally = Tally()
    for index in (3, 3, 3, 3, 3, 3, 3, 6, 6, 6):
        tally.add(RULE.judge(np.where(np.arange(7) == index, 1 - 6e-6, 1e-6).astype(np.float32), 40), too_small=False)
    shares = estimate(tally, TOY_INFO).shares
    assert (shares["anger"].low, shares["anger"].high) == (0, pytest.approx(0, abs=1e-3))
    assert (shares["happiness"].low, shares["happiness"].high) == pytest.approx((0.7, 0.7), abs=1e-3)


def test_groups_averaged_without_their_faces() -> None:
    first, second = crowd(10, 1.0)[0], crowd(30, 1.0, seed=1)[0]
    average = Average()
    told = [(tally, estimate(tally, TOY_INFO)) for tally in (first, second, Tally())]
    for tally, group in told:
        average.add(tally, group)
    whole = Average.from_dict(json.loads(json.dumps(average.to_dict()))).estimate(people=40)
    assert whole.faces == 40
    for name in EXPRESSIONS:
        one, other = told[0][1].shares[name], told[1][1].shares[name]
        assert whole.shares[name].value == pytest.approx((10 * one.value + 30 * other.value) / 40)
        assert whole.shares[name].high == pytest.approx((10 * one.high + 30 * other.high) / 40)
    few = average.estimate(people=4).shares["happiness"]
    assert (few.value, few.low, few.high) == (whole.shares["happiness"].value, None, None)
    assert Average().estimate(people=0).shares == {}


def test_what_too_few_people_show_is_left_out_of_the_plain_counts() -> None:
    happy, sad = (np.where(np.arange(7) == index, 0.7, 0.05).astype(np.float32) for index in (3, 4))
    counts = Counts()
    for row in (happy, happy, happy, sad):
        counts.count(RULE.judge(row, 20), too_small=False)
    assert SmallestGroup(5).group(counts) is None
    group = SmallestGroup(3).group(counts)
    assert group is not None
    assert group.shares == {"happiness": 0.75}
    assert group.mean_probabilities == counts.group.mean_probabilities
    assert SmallestGroup(0).group(counts) == counts.group


def test_bins_have_names() -> None:
    assert len(size_labels()) == len(SIZE_EDGES) + 1
