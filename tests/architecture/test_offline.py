"""Nothing leaves the machine: no telemetry is written, and no command speaks to a network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer import telemetry
from support.clips import write_clip
from support.made_faces import make_rafdb
from support.training_commands import command

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")

SPEAKS = re.compile(r"(connect|sendto|sendmsg|bind|listen)\(.*(AF_INET|sin_addr|sin6_addr)")
"""Calls that reach, or wait for, another machine."""

ASKS_FOR_IPV6 = re.compile(r'bind\(.*sin6_port=htons\(0\).*"::1"')
"""urllib3 asks the system so at import; TensorBoard's writer imports it where the AWS SDK is installed. Nobody can reach it."""


def as_a_stranger(home: Path) -> dict[str, str]:
    """The environment of a user without a home, settings or CI, which itself would suppress telemetry."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, list[str]]:
    """What users run, on data made here."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    (tmp_path / "boxes.json").write_text(json.dumps([[20, 20, 60, 70]]))
    write_clip(tmp_path / "clip.mp4", [noise] * 4)
    run = [sys.executable, "-m", "fsrfer.cli.main"]
    return {
        "predict": [*run, "predict", "photo.png", "--format", "json"],
        "predict --boxes": [*run, "predict", "photo.png", "--boxes", "boxes.json", "--report", "page.html"],
        "video": [*run, "video", "clip.mp4", "-o", "out", "--annotate", "drawn.mp4"],
        "score": [*run, "score", "photo.png", "-o", "scored", "--workers", "1"],
        "info": [*run, "info"],
        "push": [*run, "push", "fast", "--to", "pushed"],
        "train": command("paper-small", make_rafdb(tmp_path / "rafdb"), tmp_path / "run", steps=1),
    }


@pytest.mark.parametrize("name", ["predict", "predict --boxes", "video", "score", "info", "push"])
def test_an_empty_home_stays_empty(name: str, commands: dict[str, list[str]], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        commands[name], cwd=tmp_path, env=as_a_stranger(home), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []


@pytest.mark.parametrize("name", ["predict", "video", "train", "push"])
def test_no_command_speaks_to_a_network(name: str, commands: dict[str, list[str]], tmp_path: Path) -> None:
    if STRACE is None:
        pytest.skip("strace is not installed, so system calls cannot be recorded")
    calls = tmp_path / "calls.txt"
    home = tmp_path / "home"
    home.mkdir()
    traced = [STRACE, "-f", "-e", "trace=network", "-o", str(calls), *commands[name]]
    done = subprocess.run(
        traced, cwd=tmp_path, env=as_a_stranger(home), capture_output=True, text=True, timeout=300, check=False
    )
    if not calls.exists() or "ptrace" in done.stderr:
        pytest.skip(f"this machine lets nobody record system calls: {done.stderr.splitlines()[:1]}")
    assert done.returncode == 0, done.stderr
    spoken = [line for line in calls.read_text().splitlines() if SPEAKS.search(line) and not ASKS_FOR_IPV6.search(line)]
    assert spoken == []


def test_what_is_recorded_would_show_a_call(tmp_path: Path) -> None:
    if STRACE is None:
        pytest.skip("strace is not installed, so system calls cannot be recorded")
    calls = tmp_path / "calls.txt"
    code = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 53))"
    done = subprocess.run(
        [STRACE, "-f", "-e", "trace=network", "-o", str(calls), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if not calls.exists() or "ptrace" in done.stderr:
        pytest.skip(f"this machine lets nobody record system calls: {done.stderr.splitlines()[:1]}")
    assert any(SPEAKS.search(line) for line in calls.read_text().splitlines())


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    telemetry.switch_off()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_onnxruntime_is_imported_in_one_place() -> None:
    imports = re.compile(r"^\s*(import|from) onnxruntime", re.MULTILINE)
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    found = [path.name for path in sources if imports.search(path.read_text(encoding="utf-8"))]
    assert found == ["runtime.py"]
