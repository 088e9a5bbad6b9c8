import stat

import pytest

from fsrfer.errors import InputError
from fsrfer.files import atomic_path, write_text


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
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "file" / "table.csv", "")
