"""A model as a folder: written whole, read back, used by every command; without a hub and without a network."""

import json
import sys

import pytest

from fsrfer import Recognizer
from fsrfer.artefacts.card import card_text
from fsrfer.artefacts.writing import gather, write_folder
from fsrfer.cli.main import main
from fsrfer.errors import InputError, ModelError
from fsrfer.model_folder import require_listed
from support.toy_model import TOY_INFO, stripes, write_toy


@pytest.fixture
def folder(toy, tmp_path):
    assert main(["push", str(toy), "--to", str(tmp_path / "pushed")]) == 0
    return tmp_path / "pushed"


def test_a_folder_holds_model_list_and_card(folder, toy, reached):
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.onnx"]
    assert (folder / "model.onnx").read_bytes() == toy.read_bytes()
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert (config["library"], list(config["files"]), config["model"]["size"]) == ("fsrfer", ["model.onnx"], 28)
    assert reached == []


def test_from_pretrained_answers_as_the_file_does(folder, toy, reached):
    crops = [stripes(label) for label in range(7)]
    recognizer = Recognizer.from_pretrained(folder, threads=1)
    assert recognizer.classify(crops) == Recognizer(toy, threads=1).classify(crops)
    assert recognizer.origin == str(folder)
    assert Recognizer(toy, threads=1).origin is None
    assert reached == []


def test_a_folder_named_as_a_bundled_model_is_that_folder(folder, monkeypatch):
    (folder.parent / "fast").symlink_to(folder)
    monkeypatch.chdir(folder.parent)
    assert Recognizer.from_pretrained("fast", threads=1).info == TOY_INFO


def test_commands_take_a_folder_for_a_model(folder, tmp_path, capsys):
    from PIL import Image

    for label in ("happy", "sad"):
        (tmp_path / f"data/valid/{label}").mkdir(parents=True)
        Image.fromarray(stripes(3)).save(tmp_path / f"data/valid/{label}/a.png")
    crop = str(tmp_path / "data/valid/happy/a.png")
    assert main(["classify", crop, "--model", str(folder), "--threads", "1", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["expression"] == "happiness"
    data = ["--data", f"folder={tmp_path / 'data'}", "--split", "valid", "--factors", "1"]
    assert main(["evaluate", str(folder), *data]) == 0
    assert main(["info", "--model", str(folder)]) == 0
    assert "toy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("owner/name", "no folder there; for a repository of the hub write hf://owner/name"),
        ("/nowhere/at/all", "no folder there; name one that `fsrfer push`"),
    ],
)
def test_a_mistyped_folder_is_an_error_and_never_a_request(name, complaint, reached):
    with pytest.raises(ModelError, match=complaint):
        Recognizer.from_pretrained(name)
    assert reached == []


def test_folders_and_files_without_a_model_are_told(tmp_path, toy):
    with pytest.raises(ModelError, match=r"no model there \(model\.onnx: No such file"):
        Recognizer.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match="for a model file write Recognizer"):
        Recognizer.from_pretrained(toy)


def test_damaged_mixed_and_later_folders_are_refused(folder):
    data, config = (folder / "model.onnx").read_bytes(), (folder / "config.json").read_text()
    write_toy(folder / "model.onnx", gain=2.0)
    with pytest.raises(ModelError, match="not the file that"):
        Recognizer.from_pretrained(folder)
    (folder / "model.onnx").write_bytes(data[:-9] + b"X" + data[-8:])
    with pytest.raises(ModelError, match="damaged"):
        Recognizer.from_pretrained(folder)
    (folder / "model.onnx").write_bytes(data)
    for text, complaint in ((config.replace('"format": 1', '"format": 2'), "update fsrfer"), ("{", "cannot be read")):
        (folder / "config.json").write_text(text)
        with pytest.raises(ModelError, match=complaint):
            Recognizer.from_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "bert"}')  # of another library, which lists nothing of ours
    assert Recognizer.from_pretrained(folder).info == TOY_INFO


def test_weights_go_along_and_are_listed(toy, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name, content in (
        ("model.onnx", toy.read_bytes()),
        ("model.safetensors", b"weights"),
        ("recipe.toml", b"recipe"),
    ):
        (run / name).write_bytes(content)
    (run / "origin.json").write_text('{"of": "nobody else"}')
    write_folder(gather(str(run)), tmp_path / "pushed")
    names = ["README.md", "config.json", "model.onnx", "model.safetensors", "recipe.toml"]
    assert sorted(path.name for path in (tmp_path / "pushed").iterdir()) == names
    with pytest.raises(ModelError, match="not the file that"):
        require_listed(tmp_path / "pushed" / "model.safetensors", b"others")
    write_folder(gather(str(toy)), tmp_path / "pushed")
    assert not (tmp_path / "pushed" / "model.safetensors").exists()


def test_nothing_else_is_written_over(toy, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other things"):
        write_folder(gather(str(toy)), tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "name a repository"),
        (["hf://a/b", "--to", "x"], "one of them"),
        (["--to", "x", "--public"], "is said of a repository"),
        (["a/b"], "not an address of a repository"),
    ],
)
def test_what_makes_no_sense_is_told_before_any_work(words, complaint, toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["push", str(toy), *words]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_the_hubs_package_a_repository_says_what_to_install(toy, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["push", str(toy), "hf://somebody/toy"]) == 2
    assert "install it with: pip install 'fsrfer[hub]'" in capsys.readouterr().err


def test_hubs_understand_the_card():
    from dataclasses import replace

    from huggingface_hub import ModelCard

    figures = {"ferplus valid": {"x1": {"accuracy": 0.8, "macro_f1": 0.7}, "x2": {"accuracy": 0.75, "macro_f1": 0.6}}}
    info = replace(
        TOY_INFO, accuracy=figures, flip=True, certain_px=6.0, training={"faces": 3, "data_sha256": {"a": "b"}}
    )
    card = ModelCard(card_text(info, "0" * 64, {"model.onnx": 1234, "recipe.toml": 5}, "other"))
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == (
        "other",
        "fsrfer",
        "image-classification",
    )
    assert [(result.metric_type, result.metric_value) for result in card.data.eval_results][:2] == [
        ("accuracy", 0.8),
        ("f1", 0.7),
    ]
    for told in ("1,234", "0" * 64, "28 x 28", "80.0%", "mirror image", "faces: 3", ", ".join(info.labels)):
        assert told in card.text
    assert "license" not in card_text(TOY_INFO, "0" * 64, {}, None).split("---")[1]
