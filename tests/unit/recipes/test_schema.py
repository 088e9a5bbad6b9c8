import pytest

from fsrfer.errors import RecipeError
from fsrfer.recipes.schema import bundled_recipes, changed, load_recipe, save_recipe, shortened


def test_every_bundled_recipe_is_valid_and_survives_a_round_trip(tmp_path):
    assert bundled_recipes() == ["comparison", "default", "fast", "larger", "paper", "paper-small", "taught", "wide"]
    for name in bundled_recipes():
        recipe = load_recipe(name)
        save_recipe(recipe, tmp_path / "recipe.toml")
        assert load_recipe(str(tmp_path / "recipe.toml")) == recipe


def test_changes_are_applied_with_the_recipes_own_types():
    network = "networks.fine"
    changes = [f"{network}.loop.max_steps=7", f"{network}.optimizer.learning_rate=1", "name=mine"]
    recipe = load_recipe("default", [*changes, f"{network}.architecture.widths=[8, 8, 8]"])
    fine = recipe.networks["fine"]
    assert fine.loop.max_steps == 7
    assert fine.optimizer.learning_rate == 1.0
    assert fine.architecture.widths == [8, 8, 8]
    assert recipe.name == "mine"
    assert recipe.networks["small"] == load_recipe("default").networks["small"]


@pytest.mark.parametrize("name", ["default", "comparison", "paper-small"])
def test_a_loaded_recipe_is_changed_like_one_to_be_loaded(name):
    recipe, changes = load_recipe(name), ["validation=rafdb", "input.size=32"]
    assert changed(recipe, changes) == load_recipe(name, changes)
    assert recipe == load_recipe(name)


REFUSED = {
    "default": [
        ("loop.max_steps=7", "the recipe has no key 'loop.max_steps'"),
        ("networks.fine.loop.steps=7", "the recipe has no key 'networks.fine.loop.steps'"),
        ("networks.fast.seed=7", "the recipe has no key 'networks.fast.seed'"),
        ("networks.fine.loop.max_steps", "expected key=value"),
        ("networks.fine.loop.max_steps=many", "^recipe default: networks.fine.loop.max_steps: .*integer"),
        ("networks.fine.loop.max_steps=0", "networks.fine.loop.max_steps: .*greater than or equal to 1"),
        ("networks.fine.architecture.widths=[8]", "fine.architecture: widths and blocks need the same length"),
        ("networks.fine.architecture.stem_stride=3", "stem_stride: Input should be 1, 2 or 4"),
        (
            "networks.fine.teachers=['coarse'] networks.fine.label_share=0.5",
            "fine.teachers: coarse must stand above fine",
        ),
        (
            "networks.small_first.teachers=['small_first']",
            "networks.small_first.teachers: small_first must stand above small_first",
        ),
        ("networks.small_first.teachers=['fine','fine']", "networks.small_first: teachers: one is named twice"),
        (
            "networks.small_first.teachers=[]",
            "networks.small_first: label_share, distillation and features need teachers",
        ),
        ("networks.small_first.teachers=fine", "networks.small_first.teachers: .*valid list"),
        ("networks.small_first.label_share=0.0", "networks.small_first: nothing is learnt from the teachers"),
        ("networks.small_first.features=30.0", "features are followed from lessons, of which there are none"),
        ("networks.small_first.lessons=2", "nothing is learnt from lessons: features and distillation are 0"),
        ("networks.small_first.start=coarse", "networks.small_first.start: coarse must stand above small_first"),
        ("networks.small_first.start=fine", "networks.small_first.start: fine has another architecture"),
        ("networks.small_first.label_share=1.5", "networks.small_first.label_share: .*less than or equal to 1"),
        ("networks.fine.label_share=0.5", "networks.fine: label_share, distillation and features need teachers"),
        (
            "export.members=['fine','fast']",
            "export.members: fast is none of the networks fine, small_first, coarse, narrow_first, narrow, small",
        ),
        ("export.members=['fine','fine']", "export.members: a network is named twice"),
        ("export.members=[]", "export.members: .*at least 1 item"),
        ("kind=compact", "recipe default: kind: .*'compact'"),
    ],
    "comparison": [
        ("losses.gan=1.0", "the recipe has no key 'losses.gan'"),
        ("views.shrunk=-1", "recipe comparison: views.shrunk: .*greater than or equal to 0"),
        ("views.sharp_share=0.5", r"views\.sharp_share must be 1"),
        ("extractor=frozen", "extractor: .*'trained' or 'fixed'"),
        ("extractor=fixed uplift.blocks=0", "there must be uplift.blocks to train"),
        (
            "losses.classification=0.0 losses.size_loss=0.0 views.shrunk=0",
            "no loss has a coefficient above 0 and views",
        ),
    ],
    "paper-small": [("svm.c=0.0", "svm.c: .*greater than 0")],
}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [(name, changes.split(" "), message) for name, rows in REFUSED.items() for changes, message in rows],
)
def test_changes_that_do_not_fit_are_told_by_their_keys_in_one_line(name, changes, message):
    for refused in (lambda: load_recipe(name, changes), lambda: changed(load_recipe(name), changes)):
        with pytest.raises(RecipeError, match=message) as refusal:
            refused()
        assert "\n" not in str(refusal.value)


def test_a_comparison_may_learn_from_its_start_alone():
    alone = ["losses.classification=0.0", "losses.size_loss=0.0", "views.shrunk=0", "teacher=start"]
    assert load_recipe("comparison", alone).teacher == "start"


def test_outside_teachers_are_those_that_are_no_networks_of_the_recipe():
    assert load_recipe("default").outside_teachers == []
    assert load_recipe("fast").outside_teachers == ["default"]
    taught = load_recipe("default", ["networks.small.teachers=['fine', 'fast']", "networks.coarse.teachers=['fast']"])
    assert taught.outside_teachers == ["fast"]


def test_unknown_keys_and_recipes_are_errors(tmp_path):
    path = tmp_path / "mine.toml"
    save_recipe(load_recipe("default"), path)
    whole = path.read_text()
    for text, message in [
        (
            whole.replace("small.loop]", "small.loop]\nmax_stpes = 3"),
            "small.loop.max_stpes: the recipe has no such key",
        ),
        (whole.replace('kind = "classifier"\n', ""), "mine.toml: kind: "),
        ("not toml at all", "not valid TOML"),
    ]:
        path.write_text(text)
        with pytest.raises(RecipeError, match=message):
            load_recipe(str(path))
    path.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(RecipeError, match=r"mine.toml: (not valid TOML|line 1 is not UTF-8)"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="no recipe 'papper': use one of"):
        load_recipe("papper")


@pytest.mark.parametrize("name", ["default", "fast", "comparison", "paper-small"])
def test_no_loop_of_a_shortened_recipe_is_longer_and_nothing_else_is_changed(name):
    def without_steps(values):
        rows = {key: without_steps(value) if isinstance(value, dict) else value for key, value in values.items()}
        steps.extend(rows.pop(key) for key in ("max_steps", "lessons") if key in rows)
        return rows

    steps: list[int] = []
    recipe = load_recipe(name)
    others = without_steps(recipe.model_dump())
    whole, steps = steps, []
    assert without_steps(shortened(recipe, 300).model_dump()) == others
    assert steps == [min(300, length) for length in whole]
    assert steps != whole
    with pytest.raises(RecipeError, match="--max-steps 0: at least 1"):
        shortened(recipe, 0)
