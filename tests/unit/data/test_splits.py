import shutil

import numpy as np
import pytest
from PIL import Image

from fsrfer.data.dataset import load_pixels
from fsrfer.data.readers import parse_sources, read, splits_of
from fsrfer.errors import DataError, FsrferWarning


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(path)


@pytest.fixture
def faces(tmp_path):
    for name in ("Train/happy/a.png", "Train/sad/b.png", "val/happy/c.png", "val/sad/d.png"):
        picture(tmp_path / name)
    return tmp_path


def test_folders_of_splits_are_known_in_any_spelling(faces):
    assert splits_of("folder", faces) == ("train", "valid")
    assert len(read("folder", faces, "train")) == 2
    assert len(read("folder", faces, "validation")) == len(read("folder", faces, "valid")) == 2
    shutil.copytree(faces / "val", faces / "valid")
    with pytest.raises(DataError, match="both val and valid are here for the split valid; keep one"):
        read("folder", faces, "valid")


def test_what_systems_leave_in_a_data_set_is_no_class_and_no_face(faces):
    for name in (".ipynb_checkpoints/x.png", "__MACOSX/._a.png", "happy/._a.png", "happy/@eaDir/a.png"):
        picture(faces / "Train" / name)
    assert len(read("folder", faces, "train")) == 2
    (faces / "Train" / "happy" / "notes.txt").write_text("x")
    with pytest.warns(FsrferWarning, match="passed over 1 "):
        assert len(read("folder", faces, "train")) == 2


def test_splits_in_a_table_are_trimmed_and_free_of_case_and_unknown_ones_are_told(tmp_path):
    for name in "abcde":
        picture(tmp_path / f"{name}.png")
    table = tmp_path / "list.csv"
    table.write_text("file,label,split\na.png,happy, valid\nb.png,sad,Val\nc.png,sad,VALIDATION \nd.png,sad,train\n")
    assert [sample.path.name for sample in read("manifest", table, "valid").samples] == ["a.png", "b.png", "c.png"]
    assert splits_of("manifest", table) == ("train", "valid")
    table.write_text(table.read_text() + "e.png,sad,holdout\n")
    with pytest.warns(FsrferWarning, match=r"rows of unknown splits are left out: holdout \(1\)"):
        assert len(read("manifest", table, "train")) == 1


def test_all_broken_pictures_are_listed_at_once(faces):
    for index in range(12):
        (faces / "Train" / "happy" / f"x{index:02d}.png").write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"folder train: 12 pictures cannot be used: .*x00\.png.*x09\.png.*; and 2 more"
    ) as failure:
        load_pixels(read("folder", faces, "train"), 8, "grey")
    assert "x10" not in str(failure.value)


def test_a_tilde_after_the_equals_sign_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_sources(["folder=~/faces"]) == {"folder": tmp_path / "faces"}
