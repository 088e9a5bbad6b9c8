"""``fsrfer video`` from end to end: what it writes, what it must never write, and that it can be stopped at any moment."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")

from fsrfer.cli.demo import bundled_portrait
from fsrfer.cli.main import main
from fsrfer.labels import EXPRESSIONS
from fsrfer.recognition.detection import Detector
from fsrfer.video.reading import open_video
from fsrfer.video.recorder import FACE_COLUMNS, STATE
from fsrfer.video.windows import GROUP_COLUMNS
from support.clips import crowd_frames, write_clip

Captured = pytest.CaptureFixture[str]

FACES = 6


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of six faces of about 24 px."""
    portrait = Image.open(bundled_portrait()).convert("RGB").crop((100, 40, 420, 440)).resize((44, 55))
    frames = crowd_frames(np.asarray(portrait), FACES, 20)
    return write_clip(tmp_path_factory.mktemp("clip") / "crowd.mp4", frames, fps=5)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "empty.mp4", [np.full((90, 160, 3), 90, np.uint8)] * 5, fps=5)


def command(toy: Path, clip: Path, *more: object) -> list[str]:
    fixed = ["--every", "0.2", "--window", "1", "--detector", "fast", "--threads", "1"]
    return ["video", str(clip), "--model", str(toy), *fixed, *map(str, more)]


def table(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_everything_is_written(toy: Path, clip: Path, tmp_path: Path, capsys: Captured) -> None:
    out, drawn = tmp_path / "out", tmp_path / "drawn.mp4"
    assert main(command(toy, clip, "-o", out, "--annotate", drawn)) == 0
    assert sorted(path.name for path in out.iterdir()) == ["faces.csv", "group.csv", "report.html", "summary.json"]
    faces, groups = table(out / "faces.csv"), table(out / "group.csv")
    assert tuple(faces[0]) == FACE_COLUMNS
    assert tuple(groups[0]) == GROUP_COLUMNS
    assert len({row["track"] for row in faces}) == FACES
    assert len(faces) == 20 * FACES
    assert [float(row["start"]) for row in groups] == [0, 1, 2, 3]
    assert {row["faces"] for row in groups} == {str(FACES)}
    for row in groups:
        assert sum(float(row[name]) for name in EXPRESSIONS) == pytest.approx(1, abs=1e-3)
        assert all(float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"]) for name in EXPRESSIONS)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["tracks"], summary["frames"], summary["complete"]) == (FACES, 20, True)
    assert summary["sightings"] == len(faces)
    assert f"{FACES} faces followed" in capsys.readouterr().out
    with open_video(drawn) as video:
        times = [frame.time for frame in video.frames()]
    assert times == pytest.approx([index / 5 for index in range(20)], abs=0.002)
    assert [path.name for path in tmp_path.iterdir()] == ["drawn.mp4", "out"] or len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_format_holds_the_same(toy: Path, clip: Path, tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra 'parquet')")
    assert main(command(toy, clip, "-o", tmp_path, "--format", kind)) == 0
    from fsrfer.output.tables import open_table

    path = tmp_path / f"group.{kind}"
    assert path.is_file()
    mark = 0 if kind == "parquet" else path.stat().st_size
    rows = list(open_table(tmp_path, "group", kind, GROUP_COLUMNS, mark).rows())
    assert [row["faces"] for row in rows] == [FACES] * 4
    assert all(row["withheld"] is False for row in rows)
    assert [row["start"] for row in rows] == [0, 1, 2, 3]


def test_nobody_there(toy: Path, empty: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(command(toy, empty, "-o", tmp_path)) == 0
    assert "no faces found" in capsys.readouterr().out
    assert table(tmp_path / "faces.csv") == []
    assert table(tmp_path / "group.csv")[0]["faces"] == "0"
    assert "too few faces" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_without_a_folder_nothing_is_written(toy: Path, clip: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command(toy, clip)) == 0
    assert list(tmp_path.iterdir()) == []


def everything_in(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


FORBIDDEN = [
    b"x1",
    b'"box"',
    b'"track"',
    b"detection_score",
    b'"probabilities"',
    b"frame_",
    b"landmarks",
    b"<img",
    b"data:",
]


def test_aggregates_only(toy: Path, clip: Path, tmp_path: Path) -> None:
    assert main(command(toy, clip, "-o", tmp_path, "--aggregate-only", "--min-group", 5)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["group.csv", "report.html", "summary.json"]
    content = everything_in(tmp_path)
    assert [word for word in FORBIDDEN if word in content] == []
    rows = table(tmp_path / "group.csv")
    assert {row["withheld"] for row in rows} == {"false"}
    assert all(row[f"count_{name}"] in ("", "5", "6") for row in rows for name in EXPRESSIONS)


def test_small_groups_are_withheld(toy: Path, clip: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(command(toy, clip, "-o", tmp_path, "--aggregate-only", "--min-group", FACES + 1)) == 0
    for row in table(tmp_path / "group.csv"):
        told = {name for name, value in row.items() if value}
        assert told == {"start", "end", "frames", "withheld"}
        assert row["withheld"] == "true"
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["group"] is None
    assert summary["sightings"] == 0
    assert not any(summary["sizes_px"].values())
    assert "nothing is reported" in capsys.readouterr().out
    assert b"%" not in (tmp_path / "report.html").read_bytes().split(b"<main>")[1].split(b"What this is not")[0]


def kill_midway(arguments: list[str], out: Path, sent: signal.Signals) -> int:
    """Run the command in a process of its own and send it a signal after its second time window."""
    with subprocess.Popen([sys.executable, "-m", "fsrfer.cli.main", *arguments], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                if json.loads((out / STATE).read_text(encoding="utf-8"))["next_window"] >= 2:
                    os.kill(process.pid, sent)
                    break
            time.sleep(0.005)  # the command may share this processor
        process.communicate(timeout=60)
    return process.returncode


@pytest.fixture(scope="module")
def long_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds: long enough to be stopped on the way."""
    with open_video(clip) as opened:
        frames = [frame.rgb for frame in opened.frames()]
    return write_clip(tmp_path_factory.mktemp("clip") / "long.mp4", frames * 5, fps=5)


@pytest.mark.parametrize("mode", ["faces", "aggregate"])
def test_killed_and_resumed_nothing_is_lost_or_doubled(
    toy: Path, long_clip: Path, tmp_path: Path, mode: str, capsys: Captured
) -> None:
    more = ["--aggregate-only"] if mode == "aggregate" else ["--annotate", tmp_path / "drawn.mp4", "--blur"]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert main(command(toy, long_clip, "-o", straight, *more)) == 0
    assert kill_midway(command(toy, long_clip, "-o", stopped, *more), stopped, signal.SIGKILL) == -signal.SIGKILL
    assert not (stopped / "summary.json").exists()
    if mode == "aggregate":
        state = (stopped / STATE).read_bytes()
        assert [word for word in (*FORBIDDEN, b'"mean"', b"pools") if word in state] == []
        assert b'"rows"' not in state
    assert main(command(toy, long_clip, "-o", stopped, *more)) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(command(toy, long_clip, "-o", stopped, *more, "--min-face", 9, "--resume")) == 2
    assert "other settings (min_face)" in capsys.readouterr().err
    assert main(command(toy, long_clip, "-o", stopped, *more, "--resume")) == 0
    names = ["group.csv"] if mode == "aggregate" else ["faces.csv", "group.csv"]
    for name in names:
        assert (stopped / name).read_bytes() == (straight / name).read_bytes()
    first, second = (json.loads((folder / "summary.json").read_text()) for folder in (straight, stopped))
    for name in ("frames", "tracks", "windows", "sightings", "group", "sizes_px", "complete"):
        assert first[name] == second[name], name
    assert not (stopped / STATE).exists()
    if mode == "faces":
        with open_video(tmp_path / "drawn.mp4") as video:
            assert len(list(video.frames())) == first["frames"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_is_done(
    toy: Path, long_clip: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    assert kill_midway(command(toy, long_clip, "-o", tmp_path), tmp_path, sent) == code
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["stopped"] == "stopped by the user"
    assert (tmp_path / "report.html").is_file()
    rows = len(table(tmp_path / "faces.csv"))
    assert 0 < rows == summary["sightings"] < 100 * FACES
    assert main(command(toy, long_clip, "-o", tmp_path, "--resume")) == 0
    assert len(table(tmp_path / "faces.csv")) == 100 * FACES


def test_pixelated_faces_are_not_found_again(toy: Path, clip: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.mp4"
    assert main(command(toy, clip, "--annotate", drawn, "--blur")) == 0
    detector = Detector("fast", threads=1)
    with open_video(clip) as video:
        assert len(detector.detect(next(video.frames()).rgb)) == FACES
    with open_video(drawn) as video:
        assert len(detector.detect(next(video.frames()).rgb)) == 0


def test_the_page_shows_the_busiest_frames(toy: Path, clip: Path, tmp_path: Path) -> None:
    assert main(command(toy, clip, "-o", tmp_path)) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    scenes = json.loads(data)["scenes"]
    assert [scene["name"] for scene in scenes] == ["0:00", "0:01", "0:02", "0:03"]
    assert all(len(scene["faces"]) == FACES for scene in scenes)
    assert sorted(face["track"] for face in scenes[0]["faces"]) == list(range(1, FACES + 1))
    assert page.count("data:image/jpeg") == 4


def test_a_page_without_faces(toy: Path, clip: Path, tmp_path: Path) -> None:
    assert main(command(toy, clip, "-o", tmp_path, "--blur")) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "data:image" not in page
    assert "No picture is shown" in page


def test_faces_foreseen_between_detections(toy: Path, clip: Path, tmp_path: Path) -> None:
    assert main(command(toy, clip, "-o", tmp_path, "--detect-every", 2)) == 0
    rows = table(tmp_path / "faces.csv")
    assert len(rows) == 20 * FACES
    assert [row["detected"] for row in rows].count("false") == 10 * FACES
    assert len({row["track"] for row in rows}) == FACES


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--aggregate-only", "--annotate", "a.mp4"], "--aggregate-only"),
        (["--blur"], "--annotate"),
        (["--resume"], "-o DIR"),
        (["--annotate", "a.avi"], ".mp4"),
        (["--resume", "-o", "nowhere"], "no unfinished run"),
        (["--detector", "none.onnx", "-o", "out"], "no detector there"),
    ],
)
def test_options_that_make_no_sense(
    toy: Path, clip: Path, more: list[str], words: str, capsys: Captured, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command(toy, clip, *more)) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_clip_is_told(toy: Path, clip: Path, tmp_path: Path, capsys: Captured) -> None:
    from support.clips import faststart

    whole = faststart(clip, tmp_path / "whole.mp4").read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole[: len(whole) * 6 // 10])
    out = tmp_path / "out"
    assert main(command(toy, broken, "-o", out)) == 2
    error = capsys.readouterr().err
    assert " s " in error
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["complete"] is False
    assert 1 < summary["read_to"] < 3.5
    assert summary["stopped"] in (out / "report.html").read_text(encoding="utf-8").replace("&#x27;", "'")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the size of files are set by ulimit")
def test_a_video_that_cannot_be_written_costs_no_other_result(toy: Path, clip: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 360, 640, 3), np.uint8)
    noisy = write_clip(tmp_path / "noise.mp4", list(noise), fps=5)
    run = [sys.executable, "-m", "fsrfer.cli.main"]
    arguments = command(toy, noisy, "-o", tmp_path / "out", "--annotate", tmp_path / "drawn.mp4", "--blur")
    limited = ["bash", "-c", 'ulimit -f 300; exec "$@"', "_", *run, *arguments]  # 300 KiB for each file
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "drawn.mp4: the video cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise.mp4", "out"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["frames"] == 20
    assert len(table(tmp_path / "out" / "group.csv")) == 4


def test_another_video_of_the_same_name_and_size_is_not_resumed(
    toy: Path, clip: Path, tmp_path: Path, capsys: Captured
) -> None:
    video, out = tmp_path / "crowd.mp4", tmp_path / "out"
    video.write_bytes(clip.read_bytes())
    assert main(command(toy, video, "-o", out)) == 0
    kept = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    (out / STATE).write_text(json.dumps({"identity": {name: kept[name] for name in kept}}), encoding="utf-8")
    content = bytearray(video.read_bytes())
    content[-1] ^= 1
    video.write_bytes(content)
    assert main(command(toy, video, "-o", out, "--resume")) == 2
    assert "begun with another video" in capsys.readouterr().err
