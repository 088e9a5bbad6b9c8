"""Which networks a recipe builds on, and whether they fit it: its parent, a teacher, the members of an ensemble."""

from collections.abc import Container
from pathlib import Path

from fsrfer.errors import RecipeError
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.compact import CompactRecipe
from fsrfer.recipes.ensemble import EnsembleRecipe
from fsrfer.recipes.schema import load_recipe
from fsrfer.recipes.sections import CompactSettings

NetworkRecipe = ClassifierRecipe | CompactRecipe
"""What describes one compact network."""


def lineage(recipe: NetworkRecipe | EnsembleRecipe, given: Container[str] = ()) -> list[str]:
    """The recipes that a recipe builds on, each once, and none before those that it builds on itself.

    Args:
        recipe: theirs.
        given: recipes that something finished stands for; they, and what only they build on, are left out.

    Raises:
        RecipeError: a recipe builds on itself, is for another kind of network or for other faces than what builds on it,
            or has the name of another.
    """
    order: list[str] = []
    _collect(recipe, (), given, order)
    names = [Path(name).stem for name in order]
    if twice := [name for name in order if names.count(Path(name).stem) > 1]:
        raise RecipeError(f"recipe {recipe.name}: it builds on {' and '.join(twice)}; each needs a name of its own")
    return order


def _collect(
    recipe: NetworkRecipe | EnsembleRecipe, above: tuple[str, ...], given: Container[str], order: list[str]
) -> None:
    for role, name in _built_on(recipe):
        if name in above:
            raise RecipeError(f"recipe {recipe.name}: what it builds on leads back to {name}")
        described = named_recipe(recipe, role, name)
        if name not in given and name not in order:
            _collect(described, (*above, name), given, order)
            order.append(name)


def _built_on(recipe: NetworkRecipe | EnsembleRecipe) -> list[tuple[str, str]]:
    """Role and name of each."""
    if isinstance(recipe, EnsembleRecipe):
        return [("member", name) for name in recipe.members]
    if isinstance(recipe, ClassifierRecipe):
        return []
    parents = [("parent", recipe.parent)] if recipe.parent else []
    return parents + [("teacher", name) for name in recipe.own_teachers]


def named_recipe(recipe: NetworkRecipe | EnsembleRecipe, role: str, name: str) -> NetworkRecipe:
    """The recipe that another builds on by a name.

    Raises:
        RecipeError: there is none, it is for another kind of network, or for other faces.
    """
    described = network_recipe(name, f"recipe {recipe.name}: its {role} ")
    require_same_faces(recipe, described, f"{role} {name}")
    return described


def network_recipe(name: str, whose: str = "") -> NetworkRecipe:
    """A recipe that describes one compact network.

    Raises:
        RecipeError: there is none of that name, or it is for another kind of network.
    """
    described = load_recipe(name)
    if not isinstance(described, NetworkRecipe):
        raise RecipeError(f"{whose}{name} is not a compact network")
    return described


def require_same_faces(recipe: NetworkRecipe | EnsembleRecipe, other: NetworkRecipe, who: str) -> None:
    """Check that two networks take faces of one size and colour.

    Raises:
        RecipeError: they do not.
    """
    if other.input != recipe.input:
        raise RecipeError(
            f"recipe {recipe.name}: its {who} takes {other.input.colour} faces of "
            f"{other.input.size} pixels, not {recipe.input.colour} ones of {recipe.input.size}"
        )


def require_same_maps(recipe: CompactRecipe, teacher: NetworkRecipe, who: str) -> None:
    """Any network can follow a teacher's answers; its maps, and what is pooled from them, only one that makes such too.

    Raises:
        RecipeError: maps are followed, and the teacher makes others.
    """
    theirs, mine = teacher.network, recipe.network
    if recipe.follows_maps and _last_map(theirs) != _last_map(mine):
        raise RecipeError(
            f"recipe {recipe.name}: its {who} makes other maps (network.widths {theirs.widths} and .stem_stride "
            f"{theirs.stem_stride}, not {mine.widths} and {mine.stem_stride}), so only its answers can be followed; "
            "set losses.feature, .attention, .perceptual and .adversarial to 0"
        )


def _last_map(network: CompactSettings) -> tuple[int, int, int]:
    return network.stem_stride, len(network.widths), network.widths[-1]
