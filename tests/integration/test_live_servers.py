"""``fsrfer video --live`` against real servers, killed in the middle and started again."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")

from fsrfer.cli.demo import bundled_portrait
from support.clips import crowd_frames, write_clip

FFMPEG = shutil.which("ffmpeg")
SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = Path(__file__).parents[1] / "support" / "rtsp_server.py"
GSTREAMER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"

FACES = 6
PATIENT = 90.0
"""Seconds that a machine under load may take."""

Server = Callable[[], "subprocess.Popen[bytes]"]


def has_gstreamer() -> bool:
    if FFMPEG is None or not Path(SYSTEM_PYTHON).is_file():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", GSTREAMER], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of six faces of about 24 px."""
    portrait = Image.open(bundled_portrait()).convert("RGB").crop((100, 40, 420, 440)).resize((44, 55))
    frames = crowd_frames(np.asarray(portrait), FACES, 30)
    return write_clip(tmp_path_factory.mktemp("clip") / "crowd.mp4", frames)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def watched(toy: Path, address: str) -> Iterator[list[dict[str, Any]]]:
    """The lines of a run, which grow while it goes on; it is stopped at the end of the block."""
    fixed = ["--live", "--every", "0.2", "--detector", "fast", "--threads", "1", "--model", str(toy)]
    command = [sys.executable, "-m", "fsrfer.cli.main", "video", address, *fixed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        lines: list[dict[str, Any]] = []

        def note() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(json.loads(line))

        reader = threading.Thread(target=note)
        reader.start()
        try:
            yield lines
        finally:
            process.terminate()
            reader.join(PATIENT)
            errors = process.stderr.read().decode() if process.stderr else ""
            assert process.wait(PATIENT) == 143, errors
            assert "Traceback" not in errors


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def dies_and_comes_back(toy: Path, address: str, serve: Server) -> None:
    server = serve()
    try:
        with watched(toy, address) as lines:

            def frames() -> int:
                return sum(line["event"] == "frame" for line in lines)

            wait_until(lambda: frames() >= 5)
            server.kill()
            server.wait()
            wait_until(lambda: any(line["event"] == "lost" for line in lines))
            server = serve()
            wait_until(lambda: any(line["event"] == "returned" for line in lines))
            seen = frames()
            wait_until(lambda: frames() >= seen + 5)
        assert [line["event"] for line in lines if line["event"] not in ("frame", "slower")] == [
            "lost",
            "returned",
            "end",
        ]
        assert max(len(line["faces"]) for line in lines if line["event"] == "frame") == FACES
        assert lines[-1]["lost_seconds"] > 0
    finally:
        server.kill()
        server.wait()


@pytest.mark.skipif(not has_gstreamer(), reason="ffmpeg or GStreamer's RTSP server for Python is not installed")
def test_rtsp_by_gstreamer(toy: Path, clip: Path) -> None:
    port = free_port()

    def serve() -> "subprocess.Popen[bytes]":
        command = [SYSTEM_PYTHON, str(RTSP_SERVER), str(clip), str(port), "10", "320"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline().startswith(b"rtsp://")
        return server

    dies_and_comes_back(toy, f"rtsp://me:hunter2@127.0.0.1:{port}/hall", serve)


@pytest.mark.skipif(FFMPEG is None or not Path("/proc/net/tcp").is_file(), reason="ffmpeg on Linux is not here")
def test_http_by_ffmpeg(toy: Path, clip: Path) -> None:
    port = free_port()

    def serve() -> "subprocess.Popen[bytes]":
        looped = [str(FFMPEG), "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy"]
        server = subprocess.Popen([*looped, "-f", "mpegts", "-listen", "1", f"http://127.0.0.1:{port}/hall"])
        wait_until(lambda: is_listening(port))
        return server

    dies_and_comes_back(toy, f"http://127.0.0.1:{port}/hall", serve)


def is_listening(port: int) -> bool:
    """Without connecting: ffmpeg serves one client only."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [row.split() for table in tables if table.is_file() for row in table.read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
