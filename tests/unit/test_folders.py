import pytest

from fsrfer.folders import visible_folders, walk


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(found, folder):
    return [str(path.relative_to(folder)) for path in found.files]


def test_files_come_in_order_and_others_are_counted(tmp_path):
    touch(tmp_path, "b.PNG", "a.png", "deep/er/c.png", "notes.txt", "more.txt", "phone.HEIC", "none")
    found = walk(tmp_path, {".png"})
    assert names(found, tmp_path) == ["a.png", "b.PNG", "deep/er/c.png"]
    assert found.passed_over == {".txt": 2, ".heic": 1, "": 1}


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.png",
        "._a.png",
        ".ipynb_checkpoints/a.png",
        ".Trash-1000/a.png",
        "@eaDir/a.png",
        "__MACOSX/a.png",
        "Thumbs.db",
    ],
)
def test_hidden_and_system_entries_are_no_data(tmp_path, name):
    touch(tmp_path, name, "a.png")
    found = walk(tmp_path, {".png"})
    assert names(found, tmp_path) == ["a.png"]
    assert found.passed_over == {}
    assert visible_folders(tmp_path) == []


def test_a_linked_folder_is_followed_once_and_loops_end(tmp_path):
    outside = tmp_path / "outside"
    touch(outside, "x.png")
    folder = tmp_path / "photos"
    touch(folder, "a.png", "real/b.png")
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "again").symlink_to(folder / "real")
    assert names(walk(folder, {".png"}), folder) == ["a.png", "real/b.png", "link/x.png"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "closed/b.png")
    import os

    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = walk(tmp_path, {".png"})
    assert names(found, tmp_path) == ["a.png"]
    assert found.unreadable == ((tmp_path / "closed", "Permission denied"),)
