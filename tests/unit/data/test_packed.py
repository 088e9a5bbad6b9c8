"""Packs hold data sets as they were, and tell what is wrong with them in one line."""

import os

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from fsrfer.cli.main import main
from fsrfer.data import packed, readers
from fsrfer.data.dataset import load_pixels
from fsrfer.data.overlap import overlap
from fsrfer.errors import DataError

pytestmark = pytest.mark.filterwarnings("default::fsrfer.errors.FsrferWarning")

VOTES = [
    "0,9,1,0,0,0,0,0,0,0",
    "0,0,8,0,0,0,2,0,0,0",
    "5,0,0,5,0,0,0,0,0,0",
    "0,0,0,0,7,3,0,0,0,0",
]


@pytest.fixture
def sources(tmp_path):
    """FER+ without its test part, and coloured faces of several sizes in class folders."""
    chance = np.random.default_rng(1)
    for name in ("FER2013Train", "FER2013Valid"):
        folder = tmp_path / "ferplus" / name
        folder.mkdir(parents=True)
        for number in range(12):
            Image.fromarray(chance.integers(0, 256, (48, 48), dtype=np.uint8)).save(folder / f"{name}{number}.png")
        rows = [f'{name}{number}.png,"(0, 0, 48, 48)",{VOTES[number % 4]}' for number in range(12)]
        (folder / "label.csv").write_text("\n".join(rows) + "\n")
    for split in ("train", "test"):
        for label, side in (("happy", 60), ("sad", 31)):
            folder = tmp_path / "mine" / split / label
            folder.mkdir(parents=True)
            Image.fromarray(chance.integers(0, 256, (side, side + 3, 3), dtype=np.uint8)).save(folder / f"{side}.png")
    return [f"ferplus={tmp_path / 'ferplus'}", f"folder={tmp_path / 'mine'}"]


@pytest.fixture
def made(sources, tmp_path):
    target = tmp_path / "faces.safetensors"
    assert main(["data", "pack", "--data", *sources, "-o", str(target)]) == 0
    return target


PARTS = [("ferplus", "train"), ("ferplus", "valid"), ("folder", "train"), ("folder", "test")]


@pytest.mark.parametrize(("name", "split"), PARTS)
def test_a_pack_gives_the_very_same_data_set(sources, made, name, split):
    whole = readers.read(name, readers.parse_sources(sources)[name], split)
    again = readers.read(name, readers.parse_sources([f"packed={made}"])[name], split)
    assert (again.name, again.split, len(again)) == (whole.name, whole.split, len(whole))
    assert np.array_equal(again.labels, whole.labels) and np.array_equal(again.votes, whole.votes)
    assert [sample.path.name for sample in again.samples] == [sample.path.name for sample in whole.samples]
    for index in range(len(whole)):
        assert np.array_equal(again.load(index), whole.load(index))
        assert again.digest(index) == whole.digest(index)
    for colour in ("grey", "rgb"):
        for one, other in zip(load_pixels(whole, 40, colour), load_pixels(again, 40, colour), strict=True):
            assert np.array_equal(one, other)


def test_a_sized_pack_gives_the_very_same_training_faces_and_no_others(sources, made, tmp_path):
    target = tmp_path / "small.safetensors"
    assert main(["data", "pack", "--data", f"packed={made}", "--size", "32", "-o", str(target)]) == 0
    whole, small = (readers.read("folder", path, "train") for path in (tmp_path / "mine", target))
    for one, other in zip(load_pixels(whole, 32, "grey"), load_pixels(small, 32, "grey"), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(DataError, match="not 48 in rgb; pack it with --size 48 --colour rgb"):
        load_pixels(small, 48, "rgb")
    with pytest.raises(DataError, match="for training alone"):
        small.load(0)
    assert overlap(whole, small) == [(0, 0), (1, 1)]


def test_what_is_not_there_is_left_out_unless_it_was_asked_for(sources, tmp_path, capsys):
    target = str(tmp_path / "faces.safetensors")
    assert main(["data", "pack", "--data", sources[0], "-o", target]) == 0
    told = capsys.readouterr()
    assert "FER2013Test" in told.err and told.err.count("\n") == 1
    assert "ferplus train 12, ferplus valid 12 faces" in told.out
    assert main(["data", "pack", "--data", sources[0], "--split", "test", "-o", target]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_there_and_wrong_is_told(sources, tmp_path, capsys):
    (tmp_path / "mine" / "train" / "happy").rename(tmp_path / "mine" / "train" / "cheese")
    assert (
        main(["data", "pack", "--data", f"folder={tmp_path / 'mine'}", "-o", str(tmp_path / "faces.safetensors")]) == 2
    )
    assert "cheese" in capsys.readouterr().err
    assert not (tmp_path / "faces.safetensors").exists()


def pictures(folder, count):
    """Plain pictures in the folder of a class; the data set that it is in."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((20, 20), 40 * number, np.uint8)).save(folder / f"{number}.png")
    return folder.parents[1]


def test_a_part_is_found_by_any_of_its_usual_names(tmp_path):
    sources = pictures(tmp_path / "val" / "happy", 2)
    target = tmp_path / "faces.safetensors"
    assert main(["data", "pack", "--data", f"folder={sources}", "--split", "val", "-o", str(target)]) == 0
    assert readers.splits_of("folder", target) == ("valid",)
    assert len(readers.read("folder", target, "val")) == len(readers.read("folder", target, "valid")) == 2


def test_names_that_are_no_text_or_of_two_lines_are_packed(tmp_path):
    sources = pictures(tmp_path / "train" / "happy", 2)
    one, other = sorted((tmp_path / "train" / "happy").iterdir())
    one.rename(one.with_name(os.fsdecode(b"a\xe7ade.png")))
    other.rename(other.with_name("two\nlines.png"))
    target = tmp_path / "faces.safetensors"
    assert main(["data", "pack", "--data", f"folder={sources}", "-o", str(target)]) == 0
    names = {sample.path.name for sample in readers.read("folder", target, "train").samples}
    assert names == {os.fsdecode(b"a\xe7ade.png"), "two lines.png"}


def test_the_same_faces_make_the_same_pack(sources, made, tmp_path):
    again = tmp_path / "again.safetensors"
    assert main(["data", "pack", "--data", *sources, "-o", str(again)]) == 0
    assert packed.content_hash(again) == packed.content_hash(made)


def test_damage_in_the_faces_is_found(made):
    content = bytearray(made.read_bytes())
    content[-1] ^= 1
    made.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        for name, split in PARTS:
            readers.read(name, made, split)


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_cut_file_is_told_in_one_line(made, keep, capsys):
    made.write_bytes(made.read_bytes()[:keep])
    assert main(["evaluate", "fast", "--data", f"ferplus={made}", "--split", "valid"]) == 2
    told = capsys.readouterr().err
    assert "faces.safetensors: damaged" in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("pack", "0", "another version"),
        ("about", "{}", "damaged"),
        (None, None, "no pack of faces"),
    ],
)
def test_another_version_and_other_files_are_told(made, key, value, told):
    with safe_open(made, framework="numpy") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = {**header, key: value} if key else {"step": "3"}
    save_file(tensors, made, metadata=header)
    with pytest.raises(DataError, match=told):
        readers.parse_sources([f"packed={made}"])


def test_what_a_pack_does_not_hold_is_told(made, capsys):
    with pytest.raises(DataError, match="ferplus test is not in this pack; it holds ferplus train"):
        readers.read("ferplus", made, "test")
    assert main(["evaluate", "fast", "--data", f"packed={made}"]) == 2
    assert f"name one, such as ferplus={made}" in capsys.readouterr().err
    with pytest.raises(DataError, match="ferplus is given twice"):
        readers.parse_sources([f"packed={made}", f"ferplus={made}"])
