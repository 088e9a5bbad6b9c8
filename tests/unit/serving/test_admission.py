"""Who is let in, and what the others are told."""

from contextlib import ExitStack

import pytest

from fsrfer.serving.admission import COMING, Admission
from fsrfer.serving.problems import ProblemError


def test_so_many_are_let_in() -> None:
    admission = Admission(1, 100, lambda _: 0.0, 30)
    with admission.admitted() as first:
        first.enter()
        with pytest.raises(ProblemError) as refused, admission.admitted():
            pass
    assert refused.value.status == 503
    with admission.admitted():
        assert admission.under_way == 1
    assert admission.under_way == 0


def test_bodies_that_are_coming_take_nobodys_place() -> None:
    admission = Admission(1, 100, lambda _: 0.0, 30)
    with admission.admitted(), admission.admitted() as second, admission.admitted() as third:
        second.enter()
        with pytest.raises(ProblemError):
            third.enter()
    assert admission.whole == admission.under_way == 0


def test_so_many_bodies_may_be_coming() -> None:
    admission = Admission(1, 100, lambda _: 0.0, 30)
    with ExitStack() as stack:
        for _ in range(COMING):
            stack.enter_context(admission.admitted())
        with pytest.raises(ProblemError) as refused:
            stack.enter_context(admission.admitted())
    assert refused.value.status == 503


def test_nobody_is_let_in_to_wait_longer_than_a_request_may() -> None:
    admission = Admission(100, 100, lambda requests: 10.0 * requests, 15)
    with admission.admitted() as first, admission.admitted() as second:
        first.enter()
        second.enter()
        with pytest.raises(ProblemError) as refused, admission.admitted():
            pass
    assert 10 <= int(refused.value.headers["Retry-After"]) <= 30


def test_bodies_take_so_much_memory() -> None:
    admission = Admission(9, 100, lambda _: 0.0, 30)
    with admission.admitted() as first, admission.admitted() as second:
        first.take(60)
        with pytest.raises(ProblemError):
            second.take(50)
        second.take(40)
        assert admission.held == 100
    assert admission.held == 0


def test_a_service_that_stops_lets_nobody_in() -> None:
    admission = Admission(9, 100, lambda _: 0.0, 30)
    admission.close()
    with pytest.raises(ProblemError) as refused, admission.admitted():
        pass
    assert refused.value.status == 503
