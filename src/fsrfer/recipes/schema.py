"""Loading recipes: by bundled name or from a file, with changes from the command line, checked to the last key."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tomli_w
from pydantic import Field, TypeAdapter, ValidationError

from fsrfer.errors import RecipeError
from fsrfer.files import write_text
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.comparison import ComparisonRecipe
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.texts import read_text

Recipe = ClassifierRecipe | ComparisonRecipe | PaperRecipe
RecipeT = TypeVar("RecipeT", bound=Recipe)

_ANY: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="kind")])


def bundled_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("fsrfer.recipes")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str, changes: Iterable[str] = ()) -> Recipe:
    """A recipe by its bundled name or by the path of a TOML file, with ``key=value`` changes applied.

    Raises:
        RecipeError: no such recipe, a file that cannot be read or is not TOML, a key the recipe does not have, or a value
            that does not fit.
    """
    if name in bundled_recipes():
        bundled = resources.files("fsrfer.recipes") / f"{name}.toml"
        text, where = bundled.read_text("utf-8"), f"recipe {name}"
    elif Path(name).is_file():
        text, where = read_text(Path(name), RecipeError), name
    else:
        raise RecipeError(f"no recipe {name!r}: use one of {', '.join(bundled_recipes())}, or the path of a TOML file")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML ({error})") from error
    for change in changes:
        _apply(values, change)
    return _validated(values, where)


def changed(recipe: RecipeT, changes: Iterable[str]) -> RecipeT:
    """The recipe with ``key=value`` changes applied.

    Raises:
        RecipeError: a key the recipe does not have, or a value that does not fit.
    """
    values = recipe.model_dump()
    for change in changes:
        _apply(values, change)
    new = _validated(values, f"recipe {recipe.name}")
    assert isinstance(new, type(recipe))  # its kind is no key that anyone changes
    return new


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the complete recipe as TOML."""
    write_text(path, tomli_w.dumps(recipe.model_dump()))


def _validated(values: Mapping[str, Any], where: str) -> Recipe:
    try:
        return _ANY.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        _, *place = (str(part) for part in first["loc"] or ("", "kind"))
        reason = "the recipe has no such key" if first["type"] == "extra_forbidden" else first["msg"]
        told = [where, ".".join(place), reason.removeprefix("Value error, ")]
        raise RecipeError(": ".join(part for part in told if part)) from None


def _apply(values: dict[str, Any], change: str) -> None:
    key, separator, text = change.partition("=")
    if not separator:
        raise RecipeError(f"--set {change}: expected key=value, such as loop.max_steps=100")
    *sections, last = key.strip().split(".")
    section: Any = values
    if sections[:1] == ["sources"] and len(sections) == 2:  # the one section that recipes may leave out
        values.setdefault("sources", {}).setdefault(sections[1], {}).setdefault(last, 0.0)
    for part in sections:
        section = section.get(part) if isinstance(section, dict) else None
    if not isinstance(section, dict) or last not in section:
        raise RecipeError(f"--set {change}: the recipe has no key {key.strip()!r}")
    section[last] = _parsed(text.strip(), like=section[last])


def _parsed(text: str, like: Any) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return float(value) if isinstance(like, float) and type(value) is int else value


def shortened(recipe: RecipeT, max_steps: int) -> RecipeT:
    """The recipe with no loop longer than ``max_steps``, and no more lessons than steps.

    Raises:
        RecipeError: fewer than one step.
    """
    if max_steps < 1:
        raise RecipeError(f"--max-steps {max_steps}: at least 1")
    new = _validated(_with_shorter_loops(recipe.model_dump(), max_steps), f"recipe {recipe.name}")
    assert isinstance(new, type(recipe))
    return new


def _with_shorter_loops(values: dict[str, Any], max_steps: int) -> dict[str, Any]:
    shorter: dict[str, Any] = {
        key: _with_shorter_loops(value, max_steps) if isinstance(value, dict) else value
        for key, value in values.items()
    }
    return shorter | {key: min(shorter[key], max_steps) for key in ("max_steps", "lessons") if key in shorter}
