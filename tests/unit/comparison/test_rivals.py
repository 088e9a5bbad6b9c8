import pytest

from fsrfer.comparison.rivals import FINALISTS, RIVALS
from fsrfer.recipes.schema import changed, load_recipe

SMALL = load_recipe("compact-small")


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_every_rival_is_a_recipe_that_sees_as_many_pictures(rival):
    recipe = changed(SMALL, rival.changes)
    assert recipe.loop.batch_size * (1 + recipe.views.shrunk) == SMALL.loop.batch_size * (1 + SMALL.views.shrunk)
    assert recipe.loop.max_steps == SMALL.loop.max_steps


def test_no_two_rivals_are_the_same_and_the_finalists_are_among_them():
    assert len({changed(SMALL, rival.changes).model_dump_json() for rival in RIVALS}) == len(RIVALS)
    assert set(FINALISTS) <= {rival.name for rival in RIVALS}
