"""``fsrfer video --live`` against a stream that dies and comes back: what it says, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")

from fsrfer.cli.demo import bundled_portrait
from fsrfer.cli.main import main
from fsrfer.video import live
from support.clips import crowd_frames, write_clip
from support.live_server import Streams, streaming

Captured = pytest.CaptureFixture[str]

FACES = 6


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of six faces of about 24 px."""
    portrait = Image.open(bundled_portrait()).convert("RGB").crop((100, 40, 420, 440)).resize((44, 55))
    frames = crowd_frames(np.asarray(portrait), FACES, 20)
    return write_clip(tmp_path_factory.mktemp("clip") / "crowd.ts", frames)


def command(toy: Path, streams: Streams, *more: object) -> list[str]:
    fixed = ["--live", "--every", "0.2", "--window", "1", "--detector", "fast", "--threads", "1"]
    return ["video", streams.address, "--model", str(toy), *fixed, *map(str, more)]


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def run_and_signal(arguments: Sequence[str], number: signal.Signals) -> tuple[int, list[dict[str, Any]], str]:
    """Run the command in a process of its own and send it a signal once it has said something."""
    run = [sys.executable, "-m", "fsrfer.cli.main", *arguments]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        os.kill(process.pid, number)
        rest, errors = process.communicate(timeout=60)
    return process.returncode, lines_of(first + rest), errors


def test_a_line_a_frame_and_one_for_each_loss(
    toy: Path, clip: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.2)
    with streaming([clip, clip], seconds=2) as streams:
        address = streams.address.replace("http://", "http://admin:hunter2@")
        arguments = [address if word == streams.address else word for word in command(toy, streams, "--give-up", 1)]
        assert main([*arguments, "-o", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    lines = lines_of(told.out)
    frames = [line for line in lines if line["event"] == "frame"]
    assert [line["event"] for line in lines if line["event"] != "frame"] == ["lost", "returned", "lost", "end"]
    assert {line["source"] for line in lines} == {streams.address}
    assert "hunter2" not in told.out + told.err
    assert all(len(frame["faces"]) == frame["group"]["faces"] for frame in frames)
    assert max(len(frame["faces"]) for frame in frames) == FACES
    assert all(frame["latency"] >= 0 and frame["passed_over"] >= 0 for frame in frames)
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    for said in ("lost at 0:0", "back at 0:0", "given up"):
        assert said in told.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "faces.csv",
        "group.csv",
        "report.html",
        "summary.json",
    ]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["frames"] == len(frames)
    assert summary["missing_seconds"] == pytest.approx(lines[-1]["lost_seconds"], abs=0.01)
    assert "given up" in summary["stopped"]


@pytest.mark.parametrize("least", [2, 20])
def test_a_line_a_window_where_nothing_is_said_of_single_faces(
    toy: Path, clip: Path, tmp_path: Path, capsys: Captured, least: int
) -> None:
    with streaming([clip], seconds=2) as streams:
        more = ("--aggregate-only", "--min-group", least, "--give-up", 0.2, "-o", tmp_path / "out")
        assert main(command(toy, streams, *more)) == 2
    out = capsys.readouterr().out
    for forbidden in ('"box"', '"track"', '"faces": [', '"landmarks"'):
        assert forbidden not in out
    windows = [line for line in lines_of(out) if line["event"] == "window"]
    assert {line["event"] for line in lines_of(out)} == {"window", "lost", "end"}
    assert windows
    assert [window["end"] - window["start"] for window in windows] == [1] * len(windows)
    for window in windows:
        assert window["withheld"] == (least > FACES)
        assert (window["group"] is None) == (window["estimate"] is None) == (least > FACES)
    assert not (tmp_path / "out" / "faces.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(toy: Path, clip: Path, number: signal.Signals) -> None:
    with streaming([clip] * 9, seconds=2) as streams:
        code, lines, errors = run_and_signal(command(toy, streams), number)
    assert code == 128 + number
    assert lines[-1]["event"] == "end"
    assert lines[-1]["reason"] == "stopped by the user"
    assert errors.splitlines()[-1] == "fsrfer: stopped"
    assert "Traceback" not in errors


def test_a_reader_that_goes_ends_it_quietly(toy: Path, clip: Path, tmp_path: Path) -> None:
    with streaming([clip] * 9, seconds=2) as streams:
        run = [sys.executable, "-m", "fsrfer.cli.main", *command(toy, streams, "-o", tmp_path / "out")]
        with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr is not None
            errors = process.stderr.read()
            assert process.wait(60) == 1
    assert "Traceback" not in errors
    assert "fsrfer: error" not in errors
    assert (tmp_path / "out" / "summary.json").is_file()


def test_what_does_not_fit_is_refused(toy: Path, clip: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["video", str(clip), "--live", "--model", str(toy)]) == 2
    assert "leave out --live" in capsys.readouterr().err
    assert main(["video", str(clip), "--give-up", "5"]) == 2
    assert "--live" in capsys.readouterr().err
    assert main(["video", "0", "--live", "--annotate", str(tmp_path / "a.mp4")]) == 2
    assert "--annotate" in capsys.readouterr().err
    assert main(["video", "rtsp://me:hunter2@127.0.0.1:9/hall", "--live"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "rtsp://127.0.0.1:9/hall" in line
    assert "hunter2" not in line
