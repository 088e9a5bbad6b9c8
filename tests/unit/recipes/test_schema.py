import pytest

from fsrfer.errors import RecipeError
from fsrfer.recipes.schema import bundled_recipes, changed, load_recipe, save_recipe, shortened


def test_every_bundled_recipe_is_valid_and_survives_a_round_trip(tmp_path):
    assert {"compact", "mixed", "paper"} <= set(bundled_recipes())
    for name in bundled_recipes():
        recipe = load_recipe(name)
        save_recipe(recipe, tmp_path / "recipe.toml")
        assert load_recipe(str(tmp_path / "recipe.toml")) == recipe


def test_changes_are_applied_with_the_recipes_own_types():
    changes = ["loop.max_steps=7", "optimizer.learning_rate=1", "network.widths=[8, 8, 8]", "name=mine"]
    recipe = load_recipe("mixed", changes)
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


def test_a_loaded_recipe_is_changed_like_one_to_be_loaded():
    changes = ["extractor=fixed", "losses.feature=1", "uplift.conditioned=false", "parent=mine.toml"]
    recipe = load_recipe("compact-small")
    assert changed(recipe, changes) == load_recipe("compact-small", changes)
    assert recipe == load_recipe("compact-small")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("losses.gan=1.0", "the recipe has no key 'losses.gan'"),
        ("views.shrunk=-1", r"recipe sharp-small: views.shrunk: .*greater than or equal to 0"),
        ("extractor=frozen", r"recipe sharp-small: extractor: .*'trained' or 'fixed'"),
        ("extractor=fixed", "a fixed extractor, or a parent for teacher, needs a parent"),
        ("teacher=parent", "a fixed extractor, or a parent for teacher, needs a parent"),
        ("refined=0.3", "refined labels need a parent or a teacher"),
        ("parent=mixed teacher=mixed", "^recipe sharp-small: the teacher is the parent: write teacher = 'parent'"),
        ("teacher=mixed", "nothing is learnt from the teacher mixed: no loss follows it, and refined is 0"),
        (
            "parent=compact teacher=['parent','compact'] refined=0.3",
            "the teacher is the parent: write teacher = 'parent'",
        ),
        (
            "parent=compact teacher=['self','mixed'] refined=0.3",
            "of several each is another network, and none the network",
        ),
        ("teacher=['mixed','mixed'] refined=0.3", "of several each is another network, and none the network itself"),
        ("teacher=['mixed','compact'] losses.feature=1.0", "of several teachers only the answers can be followed"),
        ("teacher=[] refined=0.3", "teacher: .* at least 1 item"),
        ("teacher=5", "teacher: .* valid list"),
        ("teacher=['mixed',''] refined=0.3", "teacher.1: .* at least 1 character"),
    ],
)
def test_changes_that_do_not_fit_a_loaded_recipe_are_errors(change, message):
    with pytest.raises(RecipeError, match=message):
        changed(load_recipe("sharp-small"), change.split())


def test_a_fixed_extractor_needs_a_generator_to_train():
    with pytest.raises(RecipeError, match="there must be uplift.blocks to train"):
        load_recipe("compact-small", ["extractor=fixed", "uplift.blocks=0"])


@pytest.mark.parametrize("name", ["compact", "mixed", "paper-small"])
def test_no_loop_of_a_shortened_recipe_is_longer_and_nothing_else_is_changed(name):
    def without_steps(values):
        rows = {key: without_steps(value) if isinstance(value, dict) else value for key, value in values.items()}
        steps.extend([rows.pop("max_steps")] if "max_steps" in rows else [])
        return rows

    steps: list[int] = []
    recipe = load_recipe(name)
    others = without_steps(recipe.model_dump())
    whole, steps = steps, []
    assert without_steps(shortened(recipe, 700).model_dump()) == others
    assert steps == [min(700, length) for length in whole]
    with pytest.raises(RecipeError, match="--max-steps 0: at least 1"):
        shortened(recipe, 0)
