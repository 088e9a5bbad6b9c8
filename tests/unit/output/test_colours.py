import numpy as np
import pytest
from numpy.typing import NDArray

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.colours import COLOURS, DARK, contrast, ink_on
from support.vision import DEUTERANOPIA, NORMAL, PROTANOPIA, TRITANOPIA, distances


def test_every_expression_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(EXPRESSIONS)
    assert len(set(COLOURS.values())) == 7


@pytest.mark.parametrize(
    ("sight", "least"), [(NORMAL, 40), (PROTANOPIA, 25), (DEUTERANOPIA, 25), (TRITANOPIA, 20)], ids=str
)
def test_they_can_be_told_apart_with_any_colour_vision(sight: NDArray[np.float64], least: float) -> None:
    assert distances(list(COLOURS.values()), sight).min() > least


def test_the_distances_see_what_red_green_blindness_hides() -> None:
    confused = ["#D62728", "#8C6D1F"]
    assert distances(confused, NORMAL)[0] > 3 * distances(confused, DEUTERANOPIA)[0]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_each_stands_out_from_its_rim_and_carries_text(name: str) -> None:
    assert contrast(COLOURS[name], DARK) > 3
    assert contrast(COLOURS[name], ink_on(COLOURS[name])) > 4.5
