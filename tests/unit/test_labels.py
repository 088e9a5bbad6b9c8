import pytest

from fsrfer.errors import DataError
from fsrfer.labels import (
    AFFECTNET_CLASSES,
    EXPRESSIONS,
    FER2013_CLASSES,
    FERPLUS_COLUMNS,
    by_name,
    canonical,
    index_of,
    is_expression,
)


def test_the_order_is_rafdbs():
    assert EXPRESSIONS == ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


@pytest.mark.parametrize(
    ("word", "name"), [("happy", "happiness"), (" Sad ", "sadness"), ("ANGRY", "anger"), ("neutral", "neutral")]
)
def test_synonyms_are_understood(word, name):
    assert canonical(word) == name
    assert is_expression(word)
    assert EXPRESSIONS[index_of(word)] == name


def test_an_unknown_word_is_named_with_the_choices():
    with pytest.raises(DataError, match=r"'contempt'.*surprise, fear"):
        canonical("contempt")


@pytest.mark.parametrize("order", [FERPLUS_COLUMNS, FER2013_CLASSES, AFFECTNET_CLASSES])
def test_every_foreign_order_holds_the_seven_expressions_once(order):
    assert sorted(name for name in order if name in EXPRESSIONS) == sorted(EXPRESSIONS)


def test_by_name_needs_seven_values():
    assert by_name([1, 2, 3, 4, 5, 6, 7])["neutral"] == 7.0
    with pytest.raises(ValueError, match="shorter"):
        by_name([1, 2])
