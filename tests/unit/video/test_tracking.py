import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.types import Detections, Expression
from fsrfer.video.pooling import Pool, Smoother
from fsrfer.video.tracking import MEMORY, Tracker, assign

RULE = CertaintyRule(certain_from=0.5, min_face=0.0)


def faces(*boxes: tuple[float, float, float]) -> Detections:
    """Square faces given by centre and side."""
    corners = [(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y, side in boxes]
    return Detections(np.array(corners, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


def cheapest(cost: np.ndarray, limit: float) -> float:
    """The least total, by trying all: the first row stays alone, or takes any column; so do the rest."""
    if not len(cost):
        return 0.0
    totals = [limit + cheapest(cost[1:], limit)]
    totals += [
        one + cheapest(np.delete(cost[1:], column, axis=1), limit) for column, one in enumerate(cost[0]) if one <= limit
    ]
    return min(totals)


COSTS = st.one_of(st.sampled_from([0.0, 1.0, 4.0, 5.0, 6.0, np.inf]), st.floats(0, 12))


@given(
    st.tuples(st.integers(0, 4), st.integers(0, 5)).flatmap(lambda shape: arrays(np.float64, shape, elements=COSTS)),
    st.sampled_from([0.0, 3.0, 5.0]),
)
@settings(deadline=None)
def test_assignment_is_the_cheapest_of_all(cost: np.ndarray, limit: float) -> None:
    pairs = assign(cost, limit)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(cost[pair] <= limit for pair in pairs)
    assert sum(cost[pair] for pair in pairs) + limit * (len(cost) - len(pairs)) == pytest.approx(cheapest(cost, limit))


def test_faces_that_cross_keep_their_numbers() -> None:
    tracker, seen = Tracker(), []
    for step in range(21):
        left, right = 20 + 8 * step, 180 - 8 * step
        seen.append(tracker.update(faces((left, 50, 20), (right, 58, 20)), step * 0.2))
    assert seen == [[1, 2]] * 21


def test_order_of_the_detections_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 500, 30), rng.uniform(0, 500, 30), rng.uniform(8, 40, 30)])
    plain, shuffled = Tracker(), Tracker()
    for step in range(5):
        moved = places + np.array([2 * step, step, 0])
        order = rng.permutation(30) if step else np.arange(30)
        numbers = plain.update(faces(*moved.tolist()), step * 0.2)
        assert shuffled.update(faces(*moved[order].tolist()), step * 0.2) == [numbers[index] for index in order]


@pytest.mark.parametrize(("gone", "number"), [(MEMORY - 0.3, 1), (MEMORY + 0.3, 2)])
def test_a_face_is_remembered_for_a_while(gone: float, number: int) -> None:
    tracker = Tracker()
    tracker.update(faces((50, 50, 20)), 0.0)
    tracker.update(faces(), gone / 2)
    assert tracker.update(faces((52, 50, 20)), gone) == [number]


def test_a_face_of_another_size_at_the_same_place_is_another() -> None:
    tracker = Tracker()
    tracker.update(faces((50, 50, 10)), 0.0)
    assert tracker.update(faces((50, 50, 60)), 0.2) == [2]


def test_faces_are_predicted_where_they_go() -> None:
    tracker = Tracker()
    for step in range(10):
        tracker.update(faces((10 + 10 * step, 50, 20)), step * 0.2)
    numbers, boxes = tracker.predicted(2.0, height=100, width=200)
    assert numbers == [1]
    assert boxes.boxes[0] == pytest.approx([100, 40, 120, 60], abs=3)
    assert tracker.predicted(2.0, height=100, width=100)[0] == []  # it has left the frame
    assert tracker.tracks[0].time == pytest.approx(1.8)


def certain(index: int, probability: float, size_px: float = 30, effective_px: float | None = None) -> Expression:
    rest = (1 - probability) / 6
    row = np.where(np.arange(7) == index, probability, rest).astype(np.float32)
    return RULE.judge(row, size_px, effective_px)


def test_large_certain_frames_outvote_small_doubtful_ones() -> None:
    pool = Pool.empty()
    for _ in range(5):
        pool = pool.add(certain(0, 0.3, 8), 0.0)
    pool = pool.add(certain(3, 0.9, 40), 0.0)
    assert pool.probabilities.argmax() == 3
    assert pool.size_px > 20


def test_a_frame_counts_by_its_effective_height() -> None:
    # 16 of 32 px is a quarter of the area: (16 x 1/4 + 32 x 1) / (1/4 + 1) = 28.8.
    pool = Pool.empty().add(certain(0, 0.9, 60, 16), 0.0).add(certain(0, 0.9, 60, 32), 0.0)
    assert pool.size_px == pytest.approx(60)
    assert pool.effective_px == pytest.approx(28.8)
    assert Pool.from_dict(pool.to_dict()).effective_px == pool.effective_px


def test_how_legible_a_track_is_follows_its_frames() -> None:
    row = np.full(7, 1 / 7, np.float32)
    pool = Pool.empty()
    for told in (1.0, 1.0, 0.1):
        pool = pool.add(RULE.judge(row, 40, legible=told), 0.0)
    assert pool.legible == pytest.approx(0.7)
    assert Pool.from_dict(pool.to_dict()).legible == pool.legible


def test_a_frame_without_an_effective_height_counts_by_its_height() -> None:
    pool = Pool.empty().add(certain(0, 0.9, 16), 0.0).add(certain(0, 0.9, 32), 0.0)
    assert pool.effective_px == pool.size_px == pytest.approx(28.8)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8))
@settings(deadline=None)
def test_a_pool_is_a_distribution_whatever_the_order(seeds: list[int]) -> None:
    rows = (np.random.default_rng(seed).dirichlet(np.full(7, 0.3)).astype(np.float32) for seed in seeds)
    answers = [RULE.judge(row, 20) for row in rows]
    forward = backward = Pool.empty()
    for answer in answers:
        forward = forward.add(answer, 0.0)
    for answer in reversed(answers):
        backward = backward.add(answer, 0.0)
    assert forward.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert forward.probabilities == pytest.approx(backward.probabilities, abs=1e-5)


def test_the_answer_of_a_track_beats_its_single_frames() -> None:
    rng = np.random.default_rng(0)
    single, pooled = [], []
    for label in np.arange(400) % 7:
        pool = Pool.empty()
        for height in np.exp(rng.uniform(np.log(8), np.log(32), 8)):
            clarity = 2.2 * np.sqrt(height / 32)
            scores = clarity * (rng.normal(size=7) + clarity * (np.arange(7) == label))
            row = (np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()).astype(np.float32)
            single.append(row.argmax() == label)
            pool = pool.add(RULE.judge(row, float(height)), 0.0)
        pooled.append(pool.probabilities.argmax() == label)
    assert np.mean(pooled) > np.mean(single) + 0.1


def test_the_past_fades() -> None:
    smoother = Smoother(half_life=0.5)
    for step in range(10):
        smoother.add(1, certain(0, 0.9), step * 0.2)
    answers = [int(smoother.add(1, certain(4, 0.9), 2.0 + step * 0.2).probabilities.argmax()) for step in range(10)]
    assert answers[0] == 0
    assert answers[-1] == 4


def test_pools_are_forgotten_with_their_tracks() -> None:
    smoother = Smoother()
    for number in (1, 2, 3):
        smoother.add(number, certain(0, 0.9), 0.0)
    smoother.keep([2])
    assert list(smoother.pools) == [2]
    assert (
        Pool.from_dict(smoother.pools[2].to_dict()).probabilities.tolist() == smoother.pools[2].probabilities.tolist()
    )


def test_time_without_frames_is_no_absence() -> None:
    tracker, two = Tracker(), faces((20, 22, 20), (70, 24, 20))
    assert tracker.update(two, 0.0) == [1, 2]
    assert tracker.update(two, 0.2) == [1, 2]
    assert tracker.update(two, 9.0) == [1, 2]  # the picture stood still
    assert tracker.update(faces(), 10.0) == []
    assert tracker.update(two, 19.0) == [3, 4]  # a frame in between did not show them
