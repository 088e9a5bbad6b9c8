"""Rules of the house that no linter checks."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LONGEST_FILE = 450
PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".mp4", ".avi"}


def test_no_source_file_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "src").rglob("*.py")}
    assert [str(path) for path, length in lengths.items() if length > LONGEST_FILE] == []


def test_nothing_is_loaded_that_can_run_code() -> None:
    risky = ("import pickle", "import joblib", "torch.load(", "weights_only=False", "allow_pickle=True")
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
    assert [f"{path}: {word}" for path, text in sources.items() for word in risky if word in text] == []


def test_no_picture_or_video_is_committed_outside_the_documentation() -> None:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    kept = [Path(name) for name in listed.split("\0") if not name.startswith("docs/")]
    assert [str(path) for path in kept if path.suffix.lower() in PICTURES] == []
