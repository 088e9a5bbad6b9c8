"""Write docs/reference/recipes.md: every key of a recipe, what it means, and its value in each bundled recipe.

    python tools/recipe_reference.py        (or: make recipes)

What is written by hand stands in recipe_reference.md beside this file; where it says ``<!-- classifier -->`` come the tables of
the bundled recipes of that kind. A key's meaning is its description in the schema, ``src/fsrfer/recipes``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import Recipe, bundled_recipes, load_recipe

ROOT = Path(__file__).parents[1]
TEMPLATE, PAGE = ROOT / "tools" / "recipe_reference.md", ROOT / "docs" / "reference" / "recipes.md"

Values = Mapping[str, Any]
"""Nested tables of a recipe or of its JSON schema."""


@dataclass(frozen=True, slots=True)
class Row:
    """A key, with dots between tables, or the table that the keys after it stand in."""

    key: str
    meaning: str
    is_table: bool = False


def page() -> str:
    """The whole page."""
    text = TEMPLATE.read_text("utf-8")
    for kind, recipes in recipes_by_kind().items():
        text = text.replace(f"<!-- {kind} -->", tables(recipes))
    return text


def recipes_by_kind() -> dict[str, list[Recipe]]:
    """The bundled recipes."""
    kinds: dict[str, list[Recipe]] = {}
    for recipe in map(load_recipe, bundled_recipes()):
        kinds.setdefault(recipe.kind, []).append(recipe)
    return kinds


def tables(recipes: list[Recipe]) -> str:
    """A table with a column a recipe; of classifiers, then one for each with a column a network."""
    schema = type(recipes[0]).model_json_schema()
    definitions = schema["$defs"]
    parts = [table(rows_of(schema, definitions), {recipe.name: recipe.model_dump() for recipe in recipes})]
    for recipe in recipes:
        if isinstance(recipe, ClassifierRecipe):
            networks = table(rows_of(definitions["NetworkSettings"], definitions), recipe.model_dump()["networks"])
            parts.append(f"### The networks of {recipe.name}\n\n{networks}")
    return "\n\n".join(parts)


def rows_of(schema: Values, definitions: Values, prefix: str = "") -> Iterator[Row]:
    """The rows of a table and those below it; the recipe's kind and its networks stand elsewhere."""
    for name, value in schema["properties"].items():
        if "$ref" in value:
            section = definitions[value["$ref"].rpartition("/")[2]]
            yield Row(prefix + name, section["description"], is_table=True)
            yield from rows_of(section, definitions, f"{prefix}{name}.")
        elif "const" not in value and "additionalProperties" not in value:
            choices = ", ".join(f"`{choice}`" for choice in value.get("enum", ()))
            yield Row(prefix + name, value["description"] + f" ({choices})" * bool(choices))


def table(rows: Iterator[Row], columns: Mapping[str, Values]) -> str:
    """A Markdown table; values that differ between columns are bold."""
    lines = [line("key", "meaning", *(f"`{name}`" for name in columns)), line(*["---"] * (len(columns) + 2))]
    for row in rows:
        cells = [""] * len(columns)
        if not row.is_table:
            cells = [json.dumps(reduce(getitem, row.key.split("."), values)) for values in columns.values()]
        bold = "**" if len(set(cells)) > 1 else ""
        key, meaning = (f"**`[{row.key}]`**", f"*{row.meaning}*") if row.is_table else (f"`{row.key}`", row.meaning)
        lines.append(line(key, meaning, *(f"{bold}{cell}{bold}" for cell in cells)))
    return "\n".join(lines)


def line(*cells: str) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
