"""Training from a pack, and on several data sets together."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fsrfer.cli.main import main
from fsrfer.data import readers
from fsrfer.errors import RecipeError
from fsrfer.recipes.sections import SourceSettings
from fsrfer.training.classifier import Given, train_classifier
from fsrfer.training.faces import load_training_data, trusted
from support.made_faces import pattern
from support.tiny_recipes import tiny_classifier

ONE_NETWORK = tiny_classifier("networks.only.loop.max_steps=3", taught={"only": []})


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """Class folders with a few other faces, one of which RAF-DB's test part below has too."""
    root, rng = tmp_path_factory.mktemp("mine"), np.random.default_rng(5)
    for number in range(14):
        folder = root / "train" / ("happy", "sad")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pattern(3 + number % 2, 24, rng)).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def packs(rafdb, mine, tmp_path_factory):
    """The faces as they are, and at the recipe's size."""
    folder, words = tmp_path_factory.mktemp("packs"), ["--data", f"rafdb={rafdb}", f"folder={mine}"]
    whole, sized = folder / "whole.safetensors", folder / "sized.safetensors"
    assert main(["data", "pack", *words, "-o", str(whole)]) == 0
    assert main(["data", "pack", *words, "--size", "16", "-o", str(sized)]) == 0
    return whole, sized


def weights(fabric, words, folder):
    sources = readers.parse_sources(words)
    train_classifier(fabric, ONE_NETWORK, sources, folder, Given())
    return load_file(folder / "model.safetensors"), (folder / "origin.json").read_text("utf-8")


def test_packed_and_unpacked_faces_give_the_same_bits_and_the_same_origin(fabric, rafdb, mine, packs, tmp_path):
    torch.set_num_threads(1)
    loose, origin = weights(fabric, [f"rafdb={rafdb}", f"folder={mine}"], tmp_path / "loose")
    assert "folder train" in origin
    for number, file in enumerate(packs):
        packed, its_origin = weights(fabric, [f"packed={file}"], tmp_path / f"packed{number}")
        assert its_origin == origin
        assert all(torch.equal(packed[name], value) for name, value in loose.items())


def test_a_pack_for_a_first_try_has_a_few_faces_from_all_over_each_part(rafdb, tmp_path):
    few = tmp_path / "few.safetensors"
    assert main(["data", "pack", "--data", f"rafdb={rafdb}", "--max-faces", "5", "-o", str(few)]) == 0
    for split in ("train", "test"):
        whole, kept = readers.read("rafdb", rafdb, split), readers.read("rafdb", few, split)
        names = [sample.path.name for sample in whole.samples]
        rows = [names.index(sample.path.name) for sample in kept.samples]
        assert (len(rows), rows[0], rows[-1]) == (5, 0, len(whole) - 1)
        assert rows == sorted(rows)


def test_a_run_that_was_begun_with_loose_faces_resumes_from_a_pack(fabric, rafdb, mine, packs, tmp_path):
    weights(fabric, [f"rafdb={rafdb}", f"folder={mine}"], tmp_path / "run")
    weights(fabric, [f"rafdb={packs[1]}", f"folder={packs[0]}"], tmp_path / "run")


def test_labels_of_a_data_set_count_as_the_recipe_says(rafdb, mine):
    data = load_training_data(ONE_NETWORK, {"rafdb": rafdb, "folder": mine})
    before = data.train.votes.clone()
    half = trusted(data, {"folder": SourceSettings(weight=0.5, smoothing=0.14)}).train
    assert half.weights is not None and half.weights.tolist() == [1.0] * 63 + [0.5] * 14
    assert torch.equal(half.votes[:63], before[:63])
    assert half.votes[63:].max(1).values.tolist() == pytest.approx([0.88] * 14)
    assert half.votes.sum(1).tolist() == pytest.approx([1.0] * 77)
    assert half.hashes == data.train.hashes and torch.equal(data.train.votes, before)


def test_trust_as_usual_changes_nothing(rafdb):
    data = load_training_data(ONE_NETWORK, {"rafdb": rafdb})
    assert trusted(data, {}) is data and trusted(data, {"rafdb": SourceSettings()}) is data
    with pytest.raises(RecipeError, match="add --data folder=PATH"):
        trusted(data, {"folder": SourceSettings(weight=0.5)})


def test_the_weight_reaches_the_loss(fabric, rafdb, mine, tmp_path):
    sources = {"rafdb": rafdb, "folder": mine}
    ends = []
    for number, changes in enumerate(([], ["sources.folder.weight=0.25"], ["sources.folder.smoothing=0.2"])):
        recipe = tiny_classifier("networks.only.loop.max_steps=2", *changes, taught={"only": []})
        train_classifier(fabric, recipe, sources, tmp_path / f"{number}", Given())
        ends.append(load_file(tmp_path / f"{number}" / "model.safetensors")["head.weight"])
    assert not torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_faces_of_one_data_set_in_another_are_told(rafdb, mine, tmp_path):
    assert readers.shared_faces({"rafdb": rafdb, "folder": mine}) == []
    picture = next((rafdb / "basic" / "Image" / "aligned").glob("test_*"))
    folder = tmp_path / "train" / "happy"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.open(picture if name == "a.png" else mine / "train" / "happy" / "0.png").save(folder / name)
    assert readers.shared_faces({"folder": tmp_path, "rafdb": rafdb}) == [
        "faces of folder train that are in rafdb test too: 1"
    ]


@pytest.mark.filterwarnings("default::fsrfer.errors.FsrferWarning")
def test_the_command_warns_of_them(rafdb, mine, tmp_path, capsys):
    picture = next((rafdb / "basic" / "Image" / "aligned").glob("test_*"))
    folder = tmp_path / "mine" / "train" / "happy"
    folder.mkdir(parents=True)
    Image.open(picture).save(folder / "a.png")
    words = ["--data", f"rafdb={rafdb}", f"folder={tmp_path / 'mine'}", "-o", str(tmp_path / "run")]
    assert main(["train", "fast", *words, "--set", "validation=folder", "--teacher", "default"]) == 2
    warning, error = capsys.readouterr().err.splitlines()
    assert "faces of folder train that are in rafdb test too: 1" in warning and "too few" in error
