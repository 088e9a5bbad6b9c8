"""A folder of photos, killed and resumed: nothing is done twice, nothing is lost, and the results are the same to the byte."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.cli.main import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(40):
        Image.fromarray(rng.integers(0, 256, (400, 500, 3), np.uint8)).save(folder / f"{index:02d}.bmp")
    (folder / "broken.png").write_bytes(b"no picture")
    boxes = "".join(f"{index:02d}.bmp,10,10,{100 + index},120.5\n" for index in range(40))
    (tmp_path / "boxes.csv").write_text(f"source,x1,y1,x2,y2\n{boxes}broken.png,,,,\n")
    return folder


def command(toy: Path, folder: Path, out: Path, *more: str) -> list[str]:
    boxes = str(folder.parent / "boxes.csv")
    return ["predict", str(folder), "-o", str(out), "--model", str(toy), "--threads", "1", "--boxes", boxes, *more]


def killed(arguments: list[str], journal: Path) -> None:
    """Run until a few photos are done, then kill -9."""
    process = subprocess.Popen([sys.executable, "-m", "fsrfer.cli.main", *arguments], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.is_file() and journal.read_bytes().count(b"\n") > 4):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


@pytest.mark.parametrize("name", ["all.csv", "all.jsonl", "all.txt"])
def test_a_killed_run_is_resumed_to_the_same_bytes(toy: Path, folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "whole").mkdir()
    extras = {
        where: ["--report", str(tmp_path / where / "page.html"), "--annotate", str(tmp_path / where / "drawn")]
        for where in ("whole", "cut")
    }
    assert main(command(toy, folder, tmp_path / "whole" / name, *extras["whole"])) == 2  # one photo is broken
    out = tmp_path / "cut" / name
    out.parent.mkdir()
    arguments = command(toy, folder, out, *extras["cut"])
    killed(arguments, out.with_name(f"{name}.progress"))
    assert not out.exists()
    kept = out.with_name(f"{name}.progress").read_bytes()
    out.with_name(f"{name}.progress").write_bytes(kept[:-7])  # the kill may have come within a line
    assert main([*arguments, "--resume"]) == 2
    assert out.read_bytes() == (tmp_path / "whole" / name).read_bytes()
    pages = [(tmp_path / where / "page.html").read_bytes() for where in ("whole", "cut")]
    assert pages[0] == pages[1]
    drawings = [
        {path.name: path.read_bytes() for path in (tmp_path / where / "drawn").iterdir()} for where in ("whole", "cut")
    ]
    assert drawings[0].keys() == drawings[1].keys()
    assert drawings[0] == drawings[1]
    assert sorted(path.name for path in out.parent.glob("[!.]*")) == sorted([name, "drawn", "page.html"])


@pytest.fixture
def stopped(toy: Path, folder: Path, tmp_path: Path) -> Path:
    """The output of a run that was killed."""
    out = tmp_path / "all.csv"
    killed(command(toy, folder, out), tmp_path / "all.csv.progress")
    return out


def test_a_stopped_run_is_neither_lost_nor_resumed_unasked(
    toy: Path, folder: Path, stopped: Path, capsys: Captured
) -> None:
    assert main(command(toy, folder, stopped)) == 2
    assert "resume it with --resume, or add --overwrite" in capsys.readouterr().err
    assert main(command(toy, folder, stopped, "--resume", "--min-face", "9")) == 2
    error = capsys.readouterr().err
    assert "other settings (min_face)" in error
    assert error.count("\n") == 1
    assert main(command(toy, folder, stopped, "--overwrite")) == 2
    assert "broken.png" in capsys.readouterr().err
    assert stopped.is_file()


def test_photos_that_changed_since_are_looked_at_again(toy: Path, folder: Path, stopped: Path) -> None:
    Image.new("RGB", (300, 200)).save(folder / "00.bmp")
    Image.new("RGB", (300, 200)).save(folder / "01.bmp")
    assert main(command(toy, folder, stopped, "--resume")) == 2
    rows = stopped.read_text().splitlines()
    assert [row.split(",")[1:3] for row in rows[1:3]] == [["300", "200"]] * 2
    assert len(rows) == 42


def test_what_was_done_is_not_done_twice(
    toy: Path, folder: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    from fsrfer.images import load_rgb

    monkeypatch.setattr("fsrfer.recognition.sources.load_rgb", lambda name, *_: read.append(name) or load_rgb(name))
    assert main(command(toy, folder, stopped, "--resume")) == 2
    assert 0 < len(read) <= 37


@pytest.mark.parametrize(("more", "words"), [((), "needs the file"), (("-o", "new.csv"), "no unfinished run here")])
def test_nothing_to_resume_is_one_line(
    toy: Path,
    folder: Path,
    tmp_path: Path,
    more: tuple[str, ...],
    words: str,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(folder), "--model", str(toy), "--resume", *more]) == 2
    assert words in capsys.readouterr().err
