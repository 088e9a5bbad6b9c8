import pytest

from fsrfer.errors import RecipeError, TrainingError
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.training.build import compact_net
from fsrfer.training.run import RECIPE_FILE, WEIGHTS_FILE, finished_recipe, load_network, save_weights
from support.tiny_recipes import TINY_COMPACT


def tiny(*changes):
    return load_recipe("compact-small", [*TINY_COMPACT, *changes])


def test_a_finished_network_is_taken_only_by_the_recipe_it_was_trained_with(tmp_path):
    network = compact_net(tiny())
    save_weights(network, tmp_path / WEIGHTS_FILE)
    save_recipe(tiny(), tmp_path / RECIPE_FILE)
    found = load_network(tiny(), tmp_path).state_dict()
    assert all((found[name] == value).all() for name, value in network.state_dict().items())
    for other in ("network.widths=[12]", "optimizer.learning_rate=0.1"):
        with pytest.raises(RecipeError, match="begun with other settings"):
            load_network(tiny(other), tmp_path)


def test_only_a_finished_run_of_a_compact_network_has_a_recipe_to_start_from(tmp_path):
    save_recipe(tiny(), tmp_path / RECIPE_FILE)
    with pytest.raises(TrainingError, match="no finished run there"):
        finished_recipe(tmp_path)
    save_weights(compact_net(tiny()), tmp_path / WEIGHTS_FILE)
    assert finished_recipe(tmp_path) == tiny()
    save_recipe(load_recipe("paper-small"), tmp_path / RECIPE_FILE)
    with pytest.raises(TrainingError, match="a run of paper-small holds no compact network"):
        finished_recipe(tmp_path)
