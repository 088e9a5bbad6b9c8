import csv

import numpy as np
import pytest
from PIL import Image

from fsrfer.data.dataset import fingerprint, load_pixels
from fsrfer.data.ferplus import read_all
from fsrfer.data.readers import parse_sources, read
from fsrfer.errors import DataError
from fsrfer.labels import EXPRESSIONS


def picture(path, value=100, size=(48, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


@pytest.fixture
def ferplus(tmp_path):
    rows = [
        ("a.png", [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]),  # neutral; the single vote is dropped
        ("b.png", [0, 5, 5, 0, 0, 0, 0, 0, 0, 0]),  # a tie: the first column wins
        ("c.png", [0, 0, 0, 0, 0, 0, 0, 9, 1, 0]),  # contempt: left out
        ("d.png", [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]),  # not a face: left out
        ("e.png", [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),  # one vote in all
    ]
    folder = tmp_path / "FER2013Valid"
    for name, _ in rows:
        picture(folder / name)
    with (folder / "label.csv").open("w", newline="") as file:
        csv.writer(file).writerows([name, "(0, 0, 48, 48)", *votes] for name, votes in rows)
    return tmp_path


def test_ferplus_majority_and_votes(ferplus):
    dataset = read("ferplus", ferplus, "valid")
    assert [EXPRESSIONS[label] for label in dataset.labels] == ["neutral", "happiness", "surprise"]
    # 4 neutral, 3 anger, 2 disgust of 9
    np.testing.assert_allclose(dataset.votes[0], [0, 0, 2 / 9, 0, 0, 3 / 9, 4 / 9], atol=1e-6)
    np.testing.assert_allclose(dataset.votes[1], [0.5, 0, 0, 0.5, 0, 0, 0])
    np.testing.assert_allclose(dataset.votes.sum(1), 1)
    assert dataset.class_counts()["neutral"] == 1


def test_ferplus_votes_tell_of_which_faces_nothing_can_be_told(ferplus):
    judged = read_all(ferplus, "valid")
    assert [one.path.name for one in judged] == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert [one.winner for one in judged][2:4] == ["contempt", "not-a-face"]
    np.testing.assert_allclose([one.told for one in judged], [1, 1, 0.9, 0, 1])


def test_ferplus_bad_rows_say_which_line(ferplus):
    table = ferplus / "FER2013Valid" / "label.csv"
    table.write_text(table.read_text() + 'f.png,"(0, 0, 48, 48)",1,2,x\n')
    with pytest.raises(DataError, match=r"label.csv:6: expected a file name, a box and ten vote counts"):
        read("ferplus", ferplus, "valid")


def test_ferplus_missing_pictures_are_counted_and_named(ferplus):
    (ferplus / "FER2013Valid" / "b.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 listed pictures are missing, such as .*b\.png"):
        read("ferplus", ferplus, "valid")


def test_ferplus_wrong_folder_and_split(ferplus):
    with pytest.raises(DataError, match="FER2013Train.*no such folder"):
        read("ferplus", ferplus, "train")
    with pytest.raises(DataError, match="no split 'dev'; it has train, valid, test"):
        read("ferplus", ferplus, "dev")


@pytest.fixture
def rafdb(tmp_path):
    labels = {"train_00001.jpg": 5, "train_00002.jpg": 1, "test_0001.jpg": 7}
    for name in labels:
        stem = name.removesuffix(".jpg")
        picture(tmp_path / "basic" / "Image" / "aligned" / f"{stem}_aligned.jpg", size=(100, 100))
    listing = tmp_path / "basic" / "EmoLabel" / "list_patition_label.txt"
    listing.parent.mkdir()
    listing.write_text("".join(f"{name} {label}\n" for name, label in labels.items()))
    return tmp_path


def test_rafdb_labels_and_both_ways_to_name_the_folder(rafdb):
    for root in (rafdb, rafdb / "basic"):
        train = read("rafdb", root, "train")
        assert [EXPRESSIONS[label] for label in train.labels] == ["sadness", "surprise"]
        assert train.load(0).shape == (100, 100, 3)
        assert [EXPRESSIONS[label] for label in read("rafdb", root, "test").labels] == ["neutral"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00003.jpg 8", r"label '8' is not one of 1\.\.7"),
        ("train_00003.jpg", r"txt:4: expected 'train_NNNNN\.jpg LABEL'"),
        ("val_00003.jpg 1", r"txt:4: expected"),
        ("train_00001.jpg 1", "listed more than once, such as train_00001.jpg"),
        ("train_00009.jpg 1", r"missing, such as .*train_00009_aligned\.jpg"),
    ],
)
def test_rafdb_errors_name_the_place(rafdb, line, message):
    listing = rafdb / "basic" / "EmoLabel" / "list_patition_label.txt"
    listing.write_text(listing.read_text() + line + "\n")
    with pytest.raises(DataError, match=message):
        read("rafdb", rafdb, "train")


def test_folders_take_synonyms_and_splits(tmp_path):
    for name in ("happy/1.png", "SAD/2.PNG", "neutral/deep/3.jpg"):
        picture(tmp_path / "flat" / name)
        picture(tmp_path / "split" / "train" / name)
    for dataset in (read("folder", tmp_path / "flat", "all"), read("folder", tmp_path / "split", "train")):
        assert sorted(EXPRESSIONS[label] for label in dataset.labels) == ["happiness", "neutral", "sadness"]
    with pytest.raises(DataError, match="choose one with --split"):
        read("folder", tmp_path / "split", "all")


def test_folders_refuse_unknown_and_empty_classes(tmp_path):
    picture(tmp_path / "happy" / "1.png")
    (tmp_path / "sad").mkdir()
    with pytest.raises(DataError, match="sad: no pictures"):
        read("folder", tmp_path, "all")
    (tmp_path / "sad").rename(tmp_path / "bored")
    with pytest.raises(DataError, match="bored: the folder's name is none of surprise"):
        read("folder", tmp_path, "all")


def test_manifest_rows_splits_and_errors(tmp_path):
    picture(tmp_path / "faces" / "ü.png")
    picture(tmp_path / "faces" / "b.png")
    table = tmp_path / "faces.csv"
    table.write_text("\ufefffile,label,split\nfaces/ü.png,happy,train\nfaces/b.png,Fear,test\n", encoding="utf-8")
    assert read("manifest", table, "train").labels.tolist() == [EXPRESSIONS.index("happiness")]
    assert len(read("manifest", table, "all")) == 2
    with pytest.raises(DataError, match="no labelled faces"):
        read("manifest", table, "valid")
    table.write_text("file,label\nfaces/b.png,bored\n")
    with pytest.raises(DataError, match="row 2: unknown expression 'bored'"):
        read("manifest", table, "all")
    with pytest.raises(DataError, match="column 'split' is missing"):
        read("manifest", table, "train")


def test_a_damaged_picture_is_named(rafdb):
    (rafdb / "basic" / "Image" / "aligned" / "train_00002_aligned.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"rafdb train: .*train_00002_aligned.jpg: not a picture"):
        load_pixels(read("rafdb", rafdb, "train"), 48, "grey")


def test_pixels_are_loaded_at_one_size_and_hashed(rafdb):
    dataset = read("rafdb", rafdb, "train")
    grey, heights = load_pixels(dataset, 48, "grey")
    rgb, _ = load_pixels(dataset, 48, "rgb")
    assert heights.tolist() == [100, 100]
    assert grey.shape == (2, 48, 48)
    assert rgb.shape == (2, 48, 48, 3)
    changed = grey.copy()
    changed[1, 5, 5] += 1
    assert fingerprint(grey, dataset.votes) == fingerprint(grey.copy(), dataset.votes)
    assert fingerprint(grey, dataset.votes) != fingerprint(changed, dataset.votes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ferplus"], "expected NAME=PATH"),
        (["imagenet=/x"], "unknown data set 'imagenet'; known: ferplus"),
        (["rafdb=/x", "rafdb=/y"], "given twice"),
    ],
)
def test_sources_on_the_command_line(words, message):
    with pytest.raises(DataError, match=message):
        parse_sources(words)
