import os
import stat
import threading
from pathlib import Path

import pytest

from fsrfer.errors import InputError
from fsrfer.files import atomic_path, check_file, check_folder, check_outputs, locked, locked_file, write_text


def test_the_old_file_stays_when_writing_fails(tmp_path):
    target = tmp_path / "table.csv"
    write_text(target, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as path:
        path.write_text("half of the n")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folders_are_made_and_the_mode_is_an_ordinary_one(tmp_path):
    target = tmp_path / "a" / "ü" / "table.csv"
    write_text(target, "neu: ü\n")
    assert target.read_bytes() == "neu: ü\n".encode()
    assert stat.S_IMODE(target.stat().st_mode) & 0o600 == 0o600


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for attempt in (lambda path: write_text(path, ""), check_file):
        with pytest.raises(InputError, match=r"table\.csv: cannot be written \(File exists\); choose another place"):
            attempt(tmp_path / "file" / "table.csv")
    with pytest.raises(InputError, match=r"cannot be written \(File name too long\)"):
        check_file(tmp_path / ("x" * 300 + ".csv"))


def test_a_folder_where_a_file_is_meant_and_the_reverse_are_refused_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    for attempt in (check_file, lambda path: write_text(path, "")):
        with pytest.raises(InputError, match="a folder is there; name a file"):
            attempt(tmp_path)
    with pytest.raises(InputError, match="a file is there; name a folder"):
        check_folder(tmp_path / "file")
    check_file(tmp_path / "new.csv")
    check_folder(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_device_stays_a_device():
    check_file(Path("/dev/null"))
    write_text(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_the_reader_of_a_pipe_gets_what_is_written(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    check_file(pipe)
    write_text(pipe, "through")
    reader.join(10)
    assert got == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_is_written_through(tmp_path):
    real, link = tmp_path / "far" / "table.csv", tmp_path / "link.csv"
    real.parent.mkdir()
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    dangling = tmp_path / "dangling.csv"
    dangling.symlink_to(tmp_path / "far" / "other.csv")
    write_text(dangling, "made")
    assert (tmp_path / "far" / "other.csv").read_text() == "made"


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    write_text(target, "old")
    refused = pytest.raises(InputError, match=r"table\.csv: cannot be written \(No space left on device\)")
    with refused, atomic_path(target) as path:
        path.write_text("half")
        with Path("/dev/full").open("w") as full:
            full.write("x")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_name_that_is_no_unicode_is_written_with_escapes(tmp_path):
    write_text(tmp_path / "page.html", "photo \udce4.jpg")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "photo \\udce4.jpg"


def test_outputs_are_neither_each_other_nor_an_input(tmp_path):
    photo, other = tmp_path / "a.png", tmp_path / "link.png"
    photo.write_text("photo")
    other.symlink_to(photo)
    for target in (photo, other):
        with pytest.raises(InputError, match="would overwrite the input"):
            check_outputs([target], [str(photo)])
    with pytest.raises(InputError, match="the same file as"):
        check_outputs([tmp_path / "new.csv", None, tmp_path / "x" / ".." / "new.csv"])
    check_outputs([tmp_path / "new.csv", Path("/dev/null"), Path("/dev/null")], [photo, "http://a/b.png", "x" * 300])
    assert photo.read_text() == "photo"


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="leads to itself"):
        check_file(tmp_path / "loop")


def test_an_open_descriptor_keeps_what_was_written_before(tmp_path):
    with (tmp_path / "log").open("ab", buffering=0) as log:
        log.write(b"before\n")
        write_text(Path(f"/dev/fd/{log.fileno()}"), "after\n")
    assert (tmp_path / "log").read_text() == "before\nafter\n"
    with pytest.raises(InputError, match="Bad file descriptor"):
        check_file(Path("/dev/fd/999"))


def test_one_run_fills_a_folder_and_an_empty_one_is_not_left(tmp_path):
    with (
        locked(tmp_path / "run"),
        pytest.raises(InputError, match="another run is writing into this folder"),
        locked(tmp_path / "run"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_run_works_at_a_file(tmp_path):
    target = tmp_path / "drawn.mp4"
    with locked_file(target), pytest.raises(InputError, match="another run"), locked_file(target):
        pass
    assert not list(tmp_path.iterdir())
