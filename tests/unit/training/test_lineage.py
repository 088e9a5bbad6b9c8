import pytest

from fsrfer.errors import RecipeError
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.training.lineage import lineage, named_recipe
from support.tiny_recipes import TINY_COMPACT


def tiny(*changes):
    return load_recipe("compact-small", [*TINY_COMPACT, *changes])


def parent_of(recipe):
    return named_recipe(recipe, "parent", recipe.parent)


def test_a_parent_takes_the_same_faces_as_its_child():
    assert parent_of(load_recipe("compact-small")) == load_recipe("sharp-small")
    with pytest.raises(RecipeError, match="takes grey faces of 48 pixels, not grey ones of 16"):
        parent_of(tiny())
    with pytest.raises(RecipeError, match="takes grey faces of 48 pixels, not rgb ones of 48"):
        parent_of(load_recipe("compact-small", ["input.colour=rgb"]))


def test_a_parent_must_be_a_recipe_for_a_compact_network():
    with pytest.raises(RecipeError, match="its parent paper-small is not a compact network"):
        parent_of(tiny("parent=paper-small"))
    with pytest.raises(RecipeError, match="no recipe 'shrap'"):
        parent_of(tiny("parent=shrap"))


ANCESTORS = ["mixed", "compact-base", "compact-places", "compact-factored", "compact-whole"]


def test_what_several_build_on_is_trained_once_and_first():
    assert lineage(load_recipe("mixed")) == []
    assert lineage(load_recipe("compact")) == ANCESTORS
    assert lineage(load_recipe("compact-fast")) == [*ANCESTORS, "compact", "compact-fast-base", "compact-coarse"]
    assert lineage(load_recipe("compact-trio")) == [*ANCESTORS, "compact", "compact-fast-base", "compact-coarse"]


def test_what_is_given_needs_no_ancestors():
    assert lineage(load_recipe("compact-trio"), {"compact"}) == ["compact-fast-base", "compact-coarse"]
    assert lineage(load_recipe("compact-fast"), {"compact-fast-base", "compact-coarse"}) == []
    assert lineage(load_recipe("compact-trio"), {"compact-fast-base"}) == [*ANCESTORS, "compact", "compact-coarse"]


def test_every_teacher_is_built_on():
    taught = load_recipe("compact-fast", ["teacher=['parent', 'compact']"])
    assert lineage(taught, {"compact-fast-base"}) == [*ANCESTORS, "compact"]
    assert lineage(taught, {"compact-fast-base", "compact"}) == []


def test_two_recipes_of_one_name_cannot_share_a_run(tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        save_recipe(tiny("parent="), tmp_path / folder / "mine.toml")
    parent, teacher = (tmp_path / folder / "mine.toml" for folder in ("first", "second"))
    with pytest.raises(RecipeError, match="each needs a name of its own"):
        lineage(tiny(f"parent={parent}", f"teacher={teacher}", "losses.distillation=1.0"))
