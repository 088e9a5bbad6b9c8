import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.errors import FsrferWarning
from fsrfer.recognition.sources import Source, expand, load


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with pictures at two depths, and with what is none."""
    for name in ("b.png", "a.JPG", "inner/c.webp", "inner/deep/ü 顔.png", ".hidden.png", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), (len(name), 0, 0)).save(path)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(sources: list[Source], below: Path) -> list[str]:
    return [str(Path(source.name).relative_to(below)) for source in sources]


@pytest.mark.filterwarnings("ignore::fsrfer.errors.FsrferWarning")
def test_a_folder_gives_its_pictures_at_any_depth_sorted_without_hidden_ones(album: Path) -> None:
    assert names(expand([album]), album) == ["a.JPG", "b.png", "inner/c.webp", "inner/deep/ü 顔.png"]


def test_a_file_named_outright_is_taken_whatever_its_suffix(album: Path) -> None:
    assert expand([album / "notes.txt"]) == [Source(str(album / "notes.txt"))]


@pytest.mark.filterwarnings("ignore::fsrfer.errors.FsrferWarning")
def test_a_pattern_the_shell_did_not_expand_gives_pictures_only(album: Path) -> None:
    assert names(expand([f"{album}/*.*"]), album) == ["a.JPG", "b.png"]
    assert names(expand([f"{album}/**/*.png"]), album) == ["b.png", "inner/deep/ü 顔.png"]


@pytest.mark.filterwarnings("ignore::fsrfer.errors.FsrferWarning")
def test_a_pattern_that_matches_folders_gives_each_picture_once(album: Path) -> None:
    assert names(expand([f"{album}/inn*"]), album) == ["inner/c.webp", "inner/deep/ü 顔.png"]
    assert sorted(names(expand([f"{album}/**"]), album)) == names(expand([album]), album)


def test_brackets_in_a_real_name_are_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "team [1].png"
    Image.new("L", (4, 4)).save(path)
    assert expand([path]) == [Source(str(path))]


@pytest.mark.parametrize("source", ["empty", "*.gif", ""])
def test_nothing_behind_a_source_is_an_error_and_not_silence(album: Path, source: str) -> None:
    (found,) = expand([f"{album}/{source}" if source else ""])
    assert found.error


def test_pictures_come_in_order_with_the_failures_among_them(album: Path) -> None:
    sources = expand([album / "b.png", album / "missing.png", album / "empty", album / "a.JPG"])
    pictures = list(load(sources))
    assert [picture.name for picture in pictures] == [source.name for source in sources]
    assert [picture.rgb is None for picture in pictures] == [False, True, True, False]
    assert [bool(picture.error) for picture in pictures] == [False, True, True, False]


def test_a_file_name_that_is_not_unicode_is_read(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        with open(path, "wb") as stream:  # noqa: PTH123
            Image.new("RGB", (5, 4)).save(stream, "PNG")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    (picture,) = load(expand([tmp_path]))
    assert picture.rgb is not None
    assert picture.rgb.shape == (4, 5, 3)


def test_decoding_runs_only_a_little_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(
        "fsrfer.recognition.sources.load_rgb",
        lambda name, _limit: started.append(name) or np.zeros((1, 1, 3), np.uint8),
    )
    pictures = load(Source(str(number)) for number in range(50))
    next(pictures)
    pictures.close()
    assert len(started) < 6


@pytest.mark.filterwarnings("ignore::fsrfer.errors.FsrferWarning")
def test_drawings_inside_the_input_are_no_sources(album: Path) -> None:
    assert names(expand([album], leave_out=album / "inner"), album) == ["a.JPG", "b.png"]


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("https://host/a.jpg", "download the picture"),
        ("-", "not read from standard input"),
        ("hall.MP4", "use: fsrfer video hall.MP4"),
        ("x" * 300 + ".jpg", "cannot be looked up"),
    ],
)
def test_what_is_no_file_of_a_picture_says_what_to_do(source: str, advice: str) -> None:
    (found,) = expand([source])
    assert found.error is not None
    assert advice in found.error


@pytest.mark.filterwarnings("ignore::fsrfer.errors.FsrferWarning")
def test_drawings_are_no_photos(album: Path) -> None:
    inner = album / "inner"
    assert names(expand([album], leave_out=inner), album) == ["a.JPG", "b.png"]
    (found,) = expand([album], leave_out=album)
    assert found.error is not None
    assert "save the drawings elsewhere" in found.error


def test_a_pattern_passes_over_what_systems_leave(album: Path) -> None:
    (album / "inner" / "@eaDir").mkdir()
    (album / "inner" / "@eaDir" / "c.webp").write_bytes((album / "inner" / "c.webp").read_bytes())
    assert names(expand([f"{album}/inner/**/*.webp"]), album) == ["inner/c.webp"]
    assert names(expand([f"{album}/inner/@eaDir/*"]), album) == ["inner/@eaDir/c.webp"]


def test_what_a_folder_holds_besides_is_told_by_kind_in_one_line(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.heic", "b.HEIC", "hall.mp4"):
        (album / "inner" / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if the extra were not installed
    with pytest.warns(FsrferWarning) as told:
        expand([album])
    assert [str(one.message) for one in told] == [
        f"{album}: passed over 2 HEIC pictures (install what reads them with: pip install 'fsrfer[heif]'), "
        "1 video (see: fsrfer video --help), 1 .txt"
    ]


def test_the_pictures_of_phones_are_read_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(tmp_path / "a.heic", exif=exif.tobytes())
    (picture,) = load(expand([tmp_path]))
    assert picture.rgb is not None
    assert picture.rgb.shape == (64, 48, 3)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("PIL.Image.OPEN", {name: one for name, one in Image.OPEN.items() if name != "HEIF"})
    (picture,) = load(expand([tmp_path / "a.heic"]))
    assert picture.error is not None
    assert "pip install 'fsrfer[heif]'" in picture.error
