"""What tests of training share: a few faces, recipes tiny enough for them, and a finished run."""

from pathlib import Path

import pytest

from fsrfer.recipes.schema import load_recipe, save_recipe
from support.made_faces import make_rafdb
from support.tiny_recipes import TINY_PAPER, tiny_classifier
from support.training_commands import command, here


@pytest.fixture(scope="session")
def rafdb(tmp_path_factory) -> Path:
    return make_rafdb(tmp_path_factory.mktemp("rafdb"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The file of a recipe of two networks, the second taught by the first."""
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    save_recipe(tiny_classifier(), path)
    return path


@pytest.fixture(scope="session")
def tiny_paper(tmp_path_factory) -> Path:
    """The file of a recipe of the paper's system."""
    path = tmp_path_factory.mktemp("recipes") / "tiny-paper.toml"
    save_recipe(load_recipe("paper-small", TINY_PAPER), path)
    return path


def finished(recipe, rafdb, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("run") / "ünbroken"
    assert here(command(recipe, rafdb, run)) == 0
    return run


@pytest.fixture(scope="session")
def finished_tiny(tiny, rafdb, tmp_path_factory) -> Path:
    return finished(tiny, rafdb, tmp_path_factory)


@pytest.fixture(scope="session")
def finished_paper(tiny_paper, rafdb, tmp_path_factory) -> Path:
    return finished(tiny_paper, rafdb, tmp_path_factory)
