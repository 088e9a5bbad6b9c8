"""What tests of training share: a few faces, and what a network may build on."""

from pathlib import Path

import pytest

from fsrfer.recipes.schema import load_recipe, save_recipe
from support.made_faces import make_rafdb
from support.tiny_recipes import TINY_COMPACT, write_tiny_parent
from support.training_commands import ANSWERS_ONLY, command, here


@pytest.fixture(scope="session")
def rafdb(tmp_path_factory) -> Path:
    folder = make_rafdb(tmp_path_factory.mktemp("rafdb"))
    write_tiny_parent(folder / "parent.toml")
    return folder


@pytest.fixture(scope="session")
def start(rafdb, tmp_path_factory):
    """A finished run that may stand for the tiny parent."""
    run = tmp_path_factory.mktemp("start") / "run"
    assert here(command("sharp-small", rafdb, run)) == 0
    return run


@pytest.fixture(scope="session")
def wide_teacher(rafdb, tmp_path_factory):
    """A recipe for a teacher with more channels, which starts from the same tiny parent."""
    path = tmp_path_factory.mktemp("teacher") / "wide.toml"
    changes = [*TINY_COMPACT, *ANSWERS_ONLY, f"parent={rafdb / 'parent.toml'}", "network.widths=[12]"]
    save_recipe(load_recipe("compact-small", changes), path)
    return path
