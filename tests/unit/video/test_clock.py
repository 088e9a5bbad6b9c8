"""Times that go forward, whatever the source's clock does."""

import pytest

from fsrfer.video.clock import Clock


def times(presented: list[float | None], origin: float = 0.0, step: float = 0.1) -> tuple[list[float], Clock]:
    clock = Clock(origin, step)
    return [round(clock.time_of(one), 4) for one in presented], clock


@pytest.mark.parametrize("again", [0.0, -20.0, 36_000.0])
def test_a_clock_that_starts_again_or_leaps_goes_on_from_the_newest_frame(again: float) -> None:
    found, clock = times([5.0, 5.1, 6.0, 5 + again, 5.1 + again], origin=5.0)
    assert found == [0.0, 0.1, 1.0, 1.1, 1.2]
    assert (clock.jumps, clock.exact) == (1, False)


def test_frames_out_of_order_move_nothing_after_them() -> None:
    found, clock = times([0.0, 0.1, 0.2, 0.15, 0.3, 0.4])
    assert found == sorted(set(found))
    assert found[-2:] == [0.3, 0.4]
    assert clock.jumps == 0


def test_a_clock_set_back_a_little_again_and_again_loses_no_frame_and_counts_as_no_jump() -> None:
    presented = [part * 0.8 + index / 10 for part in range(10) for index in range(10)]
    found, clock = times(presented)
    assert found == sorted(set(found))
    assert found[-1] > 9
    assert clock.jumps == 0


def test_frames_without_a_time_follow_each_other() -> None:
    found, clock = times([None, None, None])
    assert found == [0.0, 0.1, 0.2]
    assert not clock.exact


def test_a_long_still_picture_is_no_leap() -> None:
    clock = Clock(0.0, 0.1)
    assert [clock.time_of(0.0), clock.time_of(7200.0, lasted=7200.0)] == [0.0, 7200.0]
    assert clock.jumps == 0
