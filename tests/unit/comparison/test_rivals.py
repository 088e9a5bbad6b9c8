import pytest

from fsrfer.comparison.rivals import FINALISTS, RIVALS, on_sharp_faces
from fsrfer.recipes.schema import changed, load_recipe

RECIPE = load_recipe("comparison")


def pictures(recipe):
    """How many are seen in a training."""
    return recipe.loop.max_steps * recipe.loop.batch_size * (1 + recipe.views.shrunk)


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_every_rival_is_a_recipe_that_sees_as_many_pictures(rival):
    recipe = changed(RECIPE, rival.changes)
    assert pictures(recipe) == pictures(RECIPE)
    assert recipe.loop.max_steps == RECIPE.loop.max_steps


def test_no_two_rivals_are_the_same_and_the_finalists_are_among_them():
    assert len({changed(RECIPE, rival.changes).model_dump_json() for rival in RIVALS}) == len(RIVALS)
    assert set(FINALISTS) <= {rival.name for rival in RIVALS}


def test_the_start_sees_as_many_sharp_faces_and_learns_from_labels_alone():
    start = on_sharp_faces(RECIPE)
    assert pictures(start) == pictures(RECIPE)
    assert (start.views.sharp_share, start.views.shrunk, start.uplift.blocks) == (1, 0, 0)
    assert not (start.losses.follows_maps or start.losses.distillation)
    assert start.losses.classification == 1
