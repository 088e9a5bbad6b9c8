"""Where results go, as users and their shells have it: refused before the work, written whole, or told in one line."""

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
from support.clips import write_clip

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(noise).save(folder / name)
    return folder


def predict(toy: Path, photos: Path, *more: object) -> list[str]:
    return ["predict", str(photos), "--model", str(toy), "--detector", "fast", "--threads", "1", *map(str, more)]


def shell(arguments: list[str], tail: str = "") -> subprocess.CompletedProcess[str]:
    words = " ".join(f"'{word}'" for word in [sys.executable, "-m", "fsrfer.cli.main", *arguments])
    return subprocess.run(["bash", "-c", words + tail], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "photos"], "a folder is there; name a file"),
        (["-o", "a.xlsx"], "no format is known by this name"),
        (["--report", "photos"], "a folder is there; name a file"),
        (["--annotate", "photos/a.png"], "a file is there; name a folder"),
        (["-o", "photos/a.png/x.csv"], "cannot be written"),
        (["-o", "photos/a.png", "--format", "csv"], "would overwrite the input"),
        (["--report", "a.csv"], "the page is HTML"),
        (["-o", "a", "--report", "a"], "the same file"),
        (["--blur"], "--report FILE.html"),
    ],
)
def test_what_cannot_be_written_is_found_out_before_the_first_picture(
    toy: Path, photos: Path, options: list[str], words: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    monkeypatch.setattr("fsrfer.recognition.sources.load_rgb", lambda _: pytest.fail("a picture was read"))
    assert main(predict(toy, photos, *options)) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_drawings_within_the_input_are_not_taken_for_photos(toy: Path, photos: Path, capsys: Captured) -> None:
    for _ in range(2):
        assert main(predict(toy, photos, "--format", "csv", "--annotate", photos / "drawn")) == 0
    assert capsys.readouterr().out.count("a.png") == 2  # once each time
    assert sorted(path.name for path in (photos / "drawn").iterdir()) == ["a.png", "b.png"]


def test_a_full_disk_of_drawings_costs_no_results_on_another(toy: Path, photos: Path, tmp_path: Path) -> None:
    full = tmp_path / "drawn"
    full.mkdir()
    for name in ("a.png", "b.png"):
        (full / name).mkdir()  # nothing can be saved there
    done = shell(predict(toy, photos, "-o", tmp_path / "faces.csv", "--annotate", full))
    assert done.returncode == 2
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("tail", [" >/dev/full", " >&-"])
def test_an_output_that_takes_nothing_is_one_line(toy: Path, photos: Path, tail: str) -> None:
    done = shell(predict(toy, photos, "--format", "json"), tail)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("tail", "rows"), [(" 2>&-", 4), (" >&- 2>&- <&-", 4), (" 2>/dev/full", 4)])
def test_a_closed_terminal_costs_no_results(toy: Path, photos: Path, tmp_path: Path, tail: str, rows: int) -> None:
    (photos / "broken.png").write_text("none")
    done = shell(predict(toy, photos, "-o", tmp_path / "faces.csv"), tail)
    assert done.returncode == 2
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == rows


def test_a_home_folder_after_an_equals_sign_is_the_home_folder(
    toy: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(predict(toy, photos, "--output=~/faces.csv")) == 0
    assert (tmp_path / "faces.csv").is_file()


def test_a_pipe_gets_the_format_of_its_name(toy: Path, photos: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "faces.csv")
    with subprocess.Popen(["cat", str(tmp_path / "faces.csv")], stdout=subprocess.PIPE, text=True) as reader:
        assert main(predict(toy, photos, "-o", tmp_path / "faces.csv")) == 0
        out, _ = reader.communicate(timeout=60)
    assert out.startswith("source,")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_leave_nothing_half_written(toy: Path, tmp_path: Path, sent: signal.Signals) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    for index in range(60):
        Image.fromarray(noise).save(folder / f"{index:02d}.bmp")
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "fsrfer.cli.main", *predict(toy, folder, "-o", out / "faces.csv")],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (out / "faces.csv.progress").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(process.pid, sent)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert "stopped" in error
    assert [path.name for path in out.iterdir()] == ["faces.csv.progress"]  # from which the run can be resumed


def test_two_runs_do_not_share_a_folder_and_finished_results_stay(toy: Path, tmp_path: Path, capsys: Captured) -> None:
    from filelock import FileLock

    clip, out = write_clip(tmp_path / "a.mp4", [np.full((90, 120, 3), 90, np.uint8)] * 4), tmp_path / "out"
    command = ["video", str(clip), "--model", str(toy), "--detector", "fast", "--threads", "1", "-o", str(out)]
    assert main(command) == 0
    assert not (out / ".lock").exists()
    before = (out / "summary.json").read_bytes()
    assert main(command) == 2
    assert "holds finished results; add --overwrite" in capsys.readouterr().err
    assert (out / "summary.json").read_bytes() == before
    with FileLock(out / ".lock"):
        assert main([*command, "--overwrite"]) == 2
    assert "another run is writing into this folder" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
