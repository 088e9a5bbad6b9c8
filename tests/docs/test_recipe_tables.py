"""The tables of recipes in the documentation say what the recipes say."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "src" / "fsrfer" / "recipes"
REFERENCE = (ROOT / "docs" / "reference" / "recipes.md").read_text(encoding="utf-8")
DELTAS = (RECIPES / "README.md").read_text(encoding="utf-8")

_ROW = re.compile(r"^\| `([a-z_.0-9]+)` \|(.*)\|$", re.MULTILINE)
QUIET = ("log_every", "validate_every", "checkpoint_every")
"""Keys that the short list of differences leaves out, beside the experiment's name."""

TABLES = {
    "Classifier": {"mixed": None},
    "Compact": {
        "compact": None,
        **dict.fromkeys(
            (
                *("compact-whole", "compact-factored", "compact-places", "compact-base"),
                *("compact-fast-base", "compact-coarse", "compact-fast", "compact-small", "sharp-small"),
            ),
            "compact",
        ),
    },
    "Ensemble": {"compact-trio": None},
    "Feature super-resolution": {"paper": "paper-small", "paper-small": "paper"},
}
"""Headings of the reference; under each the recipes in the order of their columns, with the one that bold differs from."""

LISTS = [
    ("compact-whole", "compact"),
    ("compact-factored", "compact-whole"),
    ("compact-places", "compact-factored"),
    ("compact-base", "compact-places"),
    ("compact-fast-base", "compact"),
    ("compact-coarse", "compact-fast-base"),
    ("compact-fast", "compact-fast-base"),
    ("compact-small", "compact"),
    ("sharp-small", "compact-small"),
    ("paper-small", "paper"),
]


def flat(values, prefix=""):
    result = {}
    for key, value in values.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return result


def recipe(name):
    return flat(tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8")))


def cells(text):
    return {key: [cell.strip() for cell in rest.split("|")] for key, rest in _ROW.findall(text)}


def parsed(text):
    try:
        return tomllib.loads(f"value = {text.strip('*')}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip("*")


def section(text, heading):
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def names_of(pattern, text):
    return sorted(re.findall(pattern, text.split("\n## ")[0], re.MULTILINE))


def test_every_recipe_is_listed():
    bundled = sorted(path.stem for path in RECIPES.glob("*.toml"))
    assert sorted(name for columns in TABLES.values() for name in columns) == bundled
    assert names_of(r"^\| `([a-z-]+)` \|", REFERENCE) == bundled
    assert names_of(r"^\| `([a-z-]+)\.toml` \|", DELTAS) == bundled


@pytest.mark.parametrize("heading", TABLES)
def test_the_columns_are_the_recipes(heading):
    header = "| key | meaning | " + " | ".join(f"`{name}`" for name in TABLES[heading]) + " |"
    assert header in section(REFERENCE, heading).splitlines()


@pytest.mark.parametrize(
    ("heading", "column", "name"),
    [(heading, column, name) for heading, names in TABLES.items() for column, name in enumerate(names, 1)],
)
def test_the_reference_has_every_key_and_its_value(heading, column, name):
    told = cells(section(REFERENCE, heading))
    assert {key: parsed(values[column]) for key, values in told.items()} == recipe(name)


@pytest.mark.parametrize(
    ("heading", "column", "name", "other"),
    [
        (heading, column, name, other)
        for heading, columns in TABLES.items()
        for column, (name, other) in enumerate(columns.items(), 1)
    ],
)
def test_what_differs_is_in_bold_and_nothing_else(heading, column, name, other):
    told, mine = cells(section(REFERENCE, heading)), recipe(name)
    others = mine if other is None else recipe(other)
    bold = {key for key, values in told.items() if re.fullmatch(r"\*\*.+\*\*", values[column])}
    assert bold == {key for key in mine if mine[key] != others[key]}


def test_there_is_a_list_of_differences_for_each_pair_and_no_other():
    assert re.findall(r"^## (.+)$", DELTAS, re.MULTILINE) == [f"{name} against {other}" for name, other in LISTS]


@pytest.mark.parametrize(("name", "other"), LISTS)
def test_the_short_list_has_every_difference(name, other):
    told, mine, others = section(DELTAS, f"{name} against {other}"), recipe(name), recipe(other)
    assert f"| key | `{other}` | `{name}` |" in told.splitlines()
    different = {key for key in mine if mine[key] != others[key] and key != "name" and not key.endswith(QUIET)}
    values = {key: [parsed(value) for value in row] for key, row in cells(told).items()}
    assert values == {key: [others[key], mine[key]] for key in different}
