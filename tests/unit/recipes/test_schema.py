import pytest

from fsrfer.errors import RecipeError
from fsrfer.recipes.schema import bundled_recipes, load_recipe, save_recipe


def test_every_bundled_recipe_is_valid_and_survives_a_round_trip(tmp_path):
    assert "compact" in bundled_recipes()
    for name in bundled_recipes():
        recipe = load_recipe(name)
        save_recipe(recipe, tmp_path / "recipe.toml")
        assert load_recipe(str(tmp_path / "recipe.toml")) == recipe


def test_changes_are_applied_with_the_recipes_own_types():
    changes = ["loop.max_steps=7", "optimizer.learning_rate=1", "network.widths=[8, 8, 8]", "name=mine"]
    recipe = load_recipe("compact", changes)
    assert recipe.loop.max_steps == 7
    assert recipe.optimizer.learning_rate == 1.0
    assert recipe.network.widths == [8, 8, 8]
    assert recipe.name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("loop.steps=7", "the recipe has no key 'loop.steps'"),
        ("nothing=7", "the recipe has no key 'nothing'"),
        ("loop.max_steps", "expected key=value"),
        ("loop.max_steps=many", r"loop.max_steps: .*integer"),
        ("loop.max_steps=0", r"loop.max_steps: .*greater than or equal to 1"),
        ("network.widths=[8]", "widths and blocks need the same length"),
    ],
)
def test_bad_changes_name_the_key(change, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("compact", [change])


def test_unknown_keys_and_recipes_are_errors(tmp_path):
    path = tmp_path / "mine.toml"
    save_recipe(load_recipe("compact"), path)
    path.write_text(path.read_text().replace("[loop]", "[loop]\nmax_stpes = 3"))
    with pytest.raises(RecipeError, match=r"loop.max_stpes: the recipe has no such key"):
        load_recipe(str(path))
    path.write_text("not toml at all")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="no recipe 'papper': use one of"):
        load_recipe("papper")
