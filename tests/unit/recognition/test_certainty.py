import numpy as np

from fsrfer.recognition.certainty import CertaintyRule

PROBABILITIES = np.array([0.1, 0.6, 0.1, 0.05, 0.05, 0.05, 0.05], np.float32)


def test_an_answer_is_certain_only_when_likely_and_large_enough() -> None:
    rule = CertaintyRule(0.55, min_face=6)
    assert rule.judge(PROBABILITIES, 20).certain
    assert not CertaintyRule(0.65).judge(PROBABILITIES, 20).certain
    assert not rule.judge(PROBABILITIES, 5).certain
    assert rule.judge(PROBABILITIES, 5).expression == "fear"
    assert (rule.is_too_small(5.9), rule.is_too_small(6.0)) == (True, False)


def test_it_goes_by_the_detail_where_that_is_estimated() -> None:
    rule = CertaintyRule(0.55, certain_px=8.0, min_face=6)
    assert [rule.judge(PROBABILITIES, 20, estimate).certain for estimate in (7.0, 9.0)] == [False, True]
    assert not rule.judge(PROBABILITIES, 7).certain


def test_the_effective_height_never_exceeds_the_height() -> None:
    rule = CertaintyRule(0.1)
    answers = [rule.judge(np.full(7, 1 / 7, np.float32), 20, estimate) for estimate in (9.5, 48.0, None)]
    assert [answer.effective_px for answer in answers] == [9.5, 20, None]


def test_nothing_is_certain_of_what_cannot_be_told() -> None:
    rule = CertaintyRule(0.55)
    answers = [rule.judge(PROBABILITIES, 20, legible=told) for told in (1.0, 0.5, 0.49, 0.0)]
    assert [answer.certain for answer in answers] == [True, True, False, False]
    assert [answer.legible for answer in answers] == [1.0, 0.5, 0.49, 0.0]
    assert {answer.expression for answer in answers} == {"fear"}
