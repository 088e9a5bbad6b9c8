import csv

import numpy as np
import pytest
from PIL import Image

from fsrfer.data.dataset import load_pixels
from fsrfer.data.overlap import overlap
from fsrfer.data.readers import read
from fsrfer.errors import DataError, FsrferWarning
from fsrfer.labels import AFFECTNET_CLASSES, EXPRESSIONS, FER2013_CLASSES

SFEW = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def picture(path, value=100, size=(20, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def sfew_split(folder, film, value=100):
    for number, name in enumerate(SFEW):
        picture(folder / name / f"{film}_00051924{number}_00000005.png", value)
    return folder


def names(dataset):
    return [EXPRESSIONS[label] for label in dataset.labels]


@pytest.fixture
def sfew(tmp_path):
    sfew_split(tmp_path / "Train", "Airheads")
    sfew_split(tmp_path / "Val", "Hangover")
    return tmp_path


def test_sfew_classes_in_both_splits(sfew):
    expected = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert names(read("sfew", sfew, "train")) == names(read("sfew", sfew, "valid")) == expected
    with pytest.raises(DataError, match="sfew has no split 'test'; it has train, valid"):
        read("sfew", sfew, "test")


@pytest.mark.parametrize("aligned", ["Train_Aligned_Faces", "Train/Train_Aligned_Faces"])
def test_sfew_prefers_aligned_faces(tmp_path, aligned):
    if aligned.startswith("Train_"):
        sfew_split(tmp_path / "Train", "Airheads")
    sfew_split(tmp_path / aligned, "Airheads", value=7)
    dataset = read("sfew", tmp_path, "train")
    assert len(dataset) == 7
    assert (dataset.load(0) == 7).all()


def test_sfew_missing_unknown_and_empty_classes(sfew):
    (sfew / "Train" / "Sad").rename(sfew / "Train" / "Bored")
    with pytest.raises(DataError, match="Bored: not one of SFEW's classes"):
        read("sfew", sfew, "train")
    (sfew / "Train" / "Bored").rename(sfew / "away")
    with pytest.raises(DataError, match="the class folder Sad is missing"):
        read("sfew", sfew, "train")
    (sfew / "Train" / "Sad").mkdir()
    with pytest.raises(DataError, match="Sad: no pictures"):
        read("sfew", sfew, "train")
    with pytest.raises(DataError, match="Train_Aligned_Faces or .* or Train expected here"):
        read("sfew", sfew / "Val", "train")


def test_sfew_warns_of_films_in_both_splits_and_of_two_labels(sfew):
    picture(sfew / "Val" / "Sad" / "Airheads_000000001_00000001.png")
    with pytest.warns(FsrferWarning, match="1 films, so their actors, are in both splits, such as Airheads"):
        read("sfew", sfew, "valid")
    (sfew / "Val" / "Sad" / "Airheads_000000001_00000001.png").unlink()
    picture(sfew / "Val" / "Sad" / "Hangover_000519240_00000005.png")
    with pytest.warns(FsrferWarning, match=r"1 pictures lie in two classes, such as Hangover_.*png in Angry and Sad"):
        read("sfew", sfew, "valid")


def fer2013_table(folder, rows):
    table = folder / "fer2013.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("emotion", "pixels", "Usage"), *rows])
    return table


def grey(value, count=48 * 48):
    return " ".join([str(value)] * count)


def test_fer2013_pixels_come_from_the_table(tmp_path):
    ramp = " ".join(str(index % 256) for index in range(48 * 48))
    rows = [(label, grey(10 * label), "Training") for label in range(7)]
    table = fer2013_table(tmp_path, [*rows, (3, ramp, "PublicTest"), (6, grey(9), "PrivateTest")])
    for place in (tmp_path, table):
        assert names(read("fer2013", place, "train")) == list(FER2013_CLASSES)
    valid = read("fer2013", table, "valid")
    assert names(valid) == ["happiness"]
    assert valid.load(0).shape == (48, 48, 3)
    assert load_pixels(valid, 48, "grey")[0][0].ravel().tolist() == [index % 256 for index in range(48 * 48)]
    assert names(read("fer2013", table, "test")) == ["neutral"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((7, grey(1), "Training"), r"csv:2: label '7' is not one of 0\.\.6"),
        ((1, grey(1), "Testing"), "csv:2: usage 'Testing' is not one of Training, PublicTest, PrivateTest"),
        ((1, grey(1, 100), "Training"), "csv:2: 100 pixels, not 48 x 48"),
        ((1, grey(256), "Training"), "csv:2: pixels must be whole numbers"),
        ((1,), "csv:2: usage None"),
    ],
)
def test_fer2013_errors_name_the_line(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read("fer2013", fer2013_table(tmp_path, [row]), "train")


def test_fer2013_missing_file_and_columns(tmp_path):
    with pytest.raises(DataError, match="not found; FER2013 keeps"):
        read("fer2013", tmp_path, "train")
    (tmp_path / "fer2013.csv").write_text("emotion,pixels\n")
    with pytest.raises(DataError, match="column 'Usage' is missing"):
        read("fer2013", tmp_path, "train")


@pytest.fixture
def affectnet(tmp_path):
    for number, label in enumerate(range(8), 5):
        picture(tmp_path / "train_set" / "images" / f"{number}.jpg")
        annotations = tmp_path / "train_set" / "annotations"
        annotations.mkdir(exist_ok=True)
        # The published files hold text; copies made since hold numbers.
        np.save(annotations / f"{number}_exp.npy", str(label) if label % 2 else label)
        np.save(annotations / f"{number}_val.npy", "-0.5")
    return tmp_path


def test_affectnet_labels_without_contempt(affectnet):
    dataset = read("affectnet", affectnet, "train")
    assert names(dataset) == list(AFFECTNET_CLASSES[:7])
    assert [sample.path.name for sample in dataset.samples] == [f"{number}.jpg" for number in range(5, 12)]
    with pytest.raises(DataError, match="val_set: AffectNet's images and annotations expected here"):
        read("affectnet", affectnet, "valid")


def test_affectnet_missing_pictures_labels_and_wrong_ones(affectnet):
    folder = affectnet / "train_set"
    picture(folder / "images" / "9.png")
    with pytest.raises(DataError, match=r"9\.png: two pictures have this number"):
        read("affectnet", affectnet, "train")
    (folder / "images" / "9.png").unlink()
    np.save(folder / "annotations" / "9_exp.npy", 8)
    with pytest.raises(DataError, match=r"9_exp\.npy: label 8 is not one of 0\.\.7"):
        read("affectnet", affectnet, "train")
    np.save(folder / "annotations" / "9_exp.npy", np.array([{"run": "me"}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"9_exp\.npy: not a single label"):
        read("affectnet", affectnet, "train")
    (folder / "annotations" / "9_exp.npy").unlink()
    with pytest.raises(DataError, match=r"1 pictures have no label, such as 9_exp\.npy"):
        read("affectnet", affectnet, "train")
    (folder / "images" / "9.jpg").unlink()
    (folder / "images" / "5.jpg").unlink()
    with pytest.raises(DataError, match="1 labelled pictures are missing, such as 5"):
        read("affectnet", affectnet, "train")


def test_overlap_finds_the_same_pixels_in_other_files_and_formats(tmp_path):
    for name, value in (
        ("train/happy/a.png", 1),
        ("train/sad/b.bmp", 2),
        ("test/fear/c.png", 2),
        ("test/sad/d.png", 3),
    ):
        picture(tmp_path / name, value)
    picture(tmp_path / "test" / "sad" / "e.png", 1, size=(24, 20))  # as many equal pixels, another shape
    train, test = read("folder", tmp_path, "train"), read("folder", tmp_path, "test")
    assert overlap(train, test) == [(1, 0)]
    assert overlap(train, train) == [(0, 0), (1, 1)]
