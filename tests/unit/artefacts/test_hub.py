"""A model goes to a hub and comes back, here on this machine."""

import json
import os
import subprocess
import sys

import pytest

from fsrfer import Recognizer
from fsrfer.cli.main import main
from fsrfer.errors import ModelError
from support.toy_model import write_toy


@pytest.fixture(scope="module")
def pushed(hub, tmp_path_factory):
    """Address by commit of a model that was pushed, and its file."""
    model = write_toy(tmp_path_factory.mktemp("model") / "toy.onnx")
    assert main(["push", str(model), "hf://somebody/toy"]) == 0
    return f"hf://somebody/toy@{hub.commits['somebody/toy'][-1][0]}", model


def refused(arguments, capsys):
    capsys.readouterr()
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_repository_is_made_private_with_all_files_in_one_commit(hub, pushed):
    _, model = pushed
    assert hub.private["somebody/toy"]
    empty, (_, files) = hub.commits["somebody/toy"]
    assert empty[1] == {}
    assert sorted(files) == ["README.md", "config.json", "model.onnx"]
    assert files["model.onnx"] == model.read_bytes()


def test_what_was_pushed_is_fetched_once_and_its_commit_is_remembered(hub, pushed, reached):
    address, model = pushed
    before = len(hub.requests)
    recognizer = Recognizer.from_pretrained("hf://somebody/toy", threads=1)
    assert recognizer.origin == address
    assert recognizer.sha256 == Recognizer(model, threads=1).sha256
    assert {path.rpartition("/")[2] for _, path, _ in hub.requests[before:]} == {"config.json", "model.onnx"}
    before, so_far = len(hub.requests), len(reached)
    assert Recognizer.from_pretrained(address, threads=1).origin == address
    assert (len(hub.requests), len(reached)) == (before, so_far)


def test_requests_tell_the_hub_nothing_of_this_machine_but_the_versions_of_the_client(hub, pushed):
    assert pushed
    agents = {agent for _, _, agent in hub.requests}
    names = {part.strip().partition("/")[0] for agent in agents for part in agent.split(";")}
    assert names == {"fsrfer", "hf_hub", "python"}
    assert not [path for _, path, _ in hub.requests if "somebody" not in path and not path.startswith("/api/repos")
                and path != "/api/validate-yaml"]  # fmt: skip


def test_a_public_repository_is_pushed_to_only_where_that_is_said(hub, pushed, capsys):
    _, model = pushed
    assert main(["push", str(model), "hf://somebody/open", "--public", "--license", "cc-by-4.0"]) == 0
    assert not hub.private["somebody/open"]
    assert b'license: "cc-by-4.0"' in hub.commits["somebody/open"][-1][1]["README.md"]
    assert "this repository is public; add --public" in refused(["push", str(model), "hf://somebody/open"], capsys)
    assert len(hub.commits["somebody/open"]) == 2


def test_weights_of_a_former_model_do_not_stay(hub, pushed):
    _, model = pushed
    main(["push", str(model), "hf://somebody/again"])
    files = hub.commits["somebody/again"][-1][1]
    hub.commit("somebody/again", {**files, "model.safetensors": b"old", "recipe.toml": b"old", "notes.txt": b"mine"})
    main(["push", str(model), "hf://somebody/again"])
    assert sorted(hub.commits["somebody/again"][-1][1]) == ["README.md", "config.json", "model.onnx", "notes.txt"]


@pytest.mark.parametrize(
    ("name", "changed", "complaint"),
    [
        ("damaged", lambda data: data[:-9] + b"X" + data[-8:], "damaged"),
        ("none", lambda _: b"cos\nsystem\n(S'true'\ntR.", "not an fsrfer model"),
    ],
)
def test_the_seal_is_checked_whatever_the_source(name, changed, complaint, hub, pushed):
    files = hub.commits["somebody/toy"][-1][1]
    hub.private[f"somebody/{name}"], hub.commits[f"somebody/{name}"] = True, []
    hub.commit(f"somebody/{name}", {**files, "model.onnx": changed(files["model.onnx"])})
    with pytest.raises(ModelError, match=complaint):
        Recognizer.from_pretrained(f"hf://somebody/{name}")


def test_another_model_than_the_listed_one_is_refused(hub, pushed, tmp_path):
    files = hub.commits["somebody/toy"][-1][1]
    other = write_toy(tmp_path / "other.onnx", gain=4.0).read_bytes()
    hub.private["somebody/mixed"], hub.commits["somebody/mixed"] = True, []
    hub.commit("somebody/mixed", {**files, "model.onnx": other})
    with pytest.raises(ModelError, match=r"not the file that config\.json beside it lists"):
        Recognizer.from_pretrained("hf://somebody/mixed")


def test_what_is_not_there_is_told_in_one_line(hub, pushed):
    hub.private["somebody/bare"], hub.commits["somebody/bare"] = True, []
    hub.commit("somebody/bare", {"config.json": json.dumps({"model_type": "bert"}).encode()})
    for address, complaint in {
        "hf://nobody/none": "no such repository",
        "hf://somebody/toy@v9": "no such branch, tag or commit",
        "hf://somebody/bare": r"holds no model of fsrfer \(model\.onnx and config\.json\)",
        "hf://somebody": "not an address of a repository",
        "hf://-/--": "has no such names",
    }.items():
        with pytest.raises(ModelError, match=complaint) as told:
            Recognizer.from_pretrained(address)
        assert "\n" not in str(told.value)


def test_a_push_to_a_hub_that_is_away_is_one_line(tmp_path):
    nobody = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_made_up"}
    push = [sys.executable, "-m", "fsrfer.cli.main", "push", str(write_toy(tmp_path / "toy.onnx")), "hf://somebody/toy"]
    done = subprocess.run(push, env=nobody, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "hf://somebody/toy: the hub cannot be reached" in line


def test_a_hub_that_is_away_is_told_of_and_what_was_fetched_still_works(hub, pushed, monkeypatch):
    address, _ = pushed
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert Recognizer.from_pretrained(address).origin == address
    with pytest.raises(ModelError, match="cannot be reached"):
        Recognizer.from_pretrained("hf://somebody/never")
