"""Training several networks that answer as one."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from fsrfer.cli.main import main
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training.finished import load_predictor
from support.made_faces import pattern
from support.tiny_recipes import TINY_COMPACT
from support.training_commands import ANSWERS_ONLY, command, here


@pytest.fixture(scope="module")
def pair(rafdb, wide_teacher, tmp_path_factory):
    """A recipe for two networks, the second of which learns from what the first answers."""
    folder = tmp_path_factory.mktemp("pair")
    coarse = [
        *TINY_COMPACT,
        *ANSWERS_ONLY,
        "parent=",
        f"teacher={wide_teacher}",
        "refined=0.5",
        "network.stem_stride=2",
    ]
    save_recipe(load_recipe("compact-small", [*coarse, "losses.distillation=0.0"]), folder / "coarse.toml")
    members = f"members=['{wide_teacher}', '{folder / 'coarse.toml'}']"
    save_recipe(load_recipe("compact-trio", ["input.size=16", "validation=rafdb", members]), folder / "pair.toml")
    return folder / "pair.toml"


def pair_command(pair, rafdb, run, *more):
    data = ["--data", f"rafdb={rafdb}", "--max-steps", "2", "--precision", "32-true"]
    return ["train", str(pair), *data, "-o", str(run), *more]


@pytest.fixture(scope="module")
def paired(pair, rafdb, tmp_path_factory):
    run = tmp_path_factory.mktemp("paired") / "run"
    assert main(pair_command(pair, rafdb, run)) == 0
    return run


def test_the_members_of_an_ensemble_are_trained_once_each_and_answer_as_one(paired):
    wide, coarse = paired / "networks" / "wide", paired / "networks" / "coarse"
    assert not (coarse / "teacher").exists()
    assert "a run of recipe compact-small" in (coarse / "origin.txt").read_text("utf-8")
    faces = [pattern(label, 16, np.random.default_rng(label)) for label in range(7)]
    together, first, second = (np.log(load_predictor(run)(faces)) for run in (paired, wide, coarse))
    mean = (first + second) / 2
    shares = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(together), shares, atol=1e-5)
    info = ExpressionModel(paired / "model.onnx").info
    assert [member["steps"] for member in info.training["members"]] == [2, 2]


def test_finished_runs_may_stand_for_the_members(pair, paired, rafdb, tmp_path, capsys):
    members = [str(paired / "networks" / name) for name in ("wide", "coarse")]
    run = tmp_path / "run"
    assert main(pair_command(pair, rafdb, run, "--members", *members)) == 0
    mine, theirs = (load_file(folder / "model.safetensors") for folder in (run, paired))
    assert all(np.array_equal(value, theirs[name]) for name, value in mine.items())
    assert main(pair_command(pair, rafdb, run, "--resume", "--members", *members[::-1])) == 2
    assert "give the same" in capsys.readouterr().err


def test_what_cannot_be_an_ensemble_is_refused_before_a_run_is_begun(pair, paired, rafdb, tmp_path, capsys):
    wide = str(paired / "networks" / "wide")
    for more, message in [
        (["--members", wide], "has 2 members"),
        (["--members", wide, str(tmp_path)], "no finished run there"),
        (["--init", wide], "has no parent"),
        (["--set", "members=['mixed', 'mixed']"], "members: a recipe is named twice"),
        (["--set", "members=['paper-small', 'mixed']"], "member paper-small is not a compact network"),
        (["--set", "members=['mixed', 'compact']"], "its member mixed takes grey faces of 48 pixels"),
        (["--set", "members=['mixed']"], "members: "),
    ]:
        capsys.readouterr()
        assert main(pair_command(pair, rafdb, tmp_path / "run", *more)) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "run").exists()
    assert here(command("mixed", rafdb, tmp_path / "run", "--members", wide)) == 2
    assert "describes one network" in capsys.readouterr().err
