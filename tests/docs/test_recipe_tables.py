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
QUIET = ("name", "log_every", "validate_every", "checkpoint_every")
"""Keys that the short list of differences leaves out."""


def flat(values, prefix=""):
    result = {}
    for key, value in values.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return result


def recipe(name):
    return flat(tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8")))


def rows(text):
    cells = {key: [cell.strip() for cell in rest.split("|")] for key, rest in _ROW.findall(text)}
    return {key: [value.strip("*") for value in values] for key, values in cells.items()}


def parsed(text):
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def section(heading):
    return REFERENCE.split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("heading", "names"), [("Classifier", ["compact"]), ("Feature super-resolution", ["paper", "paper-small"])]
)
def test_the_reference_has_every_key_and_its_value(heading, names):
    told = rows(section(heading))
    for column, name in enumerate(names, 1):
        assert {key: parsed(values[column]) for key, values in told.items()} == recipe(name)


def test_what_differs_is_in_bold():
    bold = set(re.findall(r"^\| `([a-z_.0-9]+)` \|.*\| \*\*", REFERENCE, re.MULTILINE))
    paper, small = recipe("paper"), recipe("paper-small")
    assert bold == {key for key in paper if paper[key] != small[key]}


def test_the_short_list_has_every_difference():
    paper, small = recipe("paper"), recipe("paper-small")
    different = {key for key in paper if paper[key] != small[key] and not key.endswith(QUIET)}
    told = {key: [parsed(value) for value in values] for key, values in rows(DELTAS).items() if key in paper}
    assert told == {key: [paper[key], small[key]] for key in different}
