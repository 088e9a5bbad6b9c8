"""How long who comes next has to wait."""

import time

import pytest

from fsrfer.serving.pace import FIRST_SECONDS, Pace


def test_a_wait_is_that_of_all_who_are_before() -> None:
    pace = Pace(2)
    assert pace.wait(0) == 0
    with pace.picture(), pace.picture(), pace.picture():
        assert pace.wait(0) == 3 * FIRST_SECONDS
        assert pace.wait(10) == 10 * FIRST_SECONDS


def test_quick_pictures_shorten_it_and_those_given_up_do_not() -> None:
    pace = Pace(1)
    for _ in range(50):
        with pytest.raises(TimeoutError), pace.picture():
            raise TimeoutError
    assert pace.wait(1) == FIRST_SECONDS
    for _ in range(50):
        with pace.picture():
            pass
    assert pace.wait(1) < FIRST_SECONDS / 10


def test_slow_pictures_lengthen_it() -> None:
    pace = Pace(1)
    for _ in range(20):
        with pace.picture():
            pass
    before = pace.wait(1)
    with pace.picture():
        time.sleep(0.2)
    assert pace.wait(1) > before + 0.01
