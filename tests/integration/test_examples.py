"""The examples of loops of one's own run on a video, as programs and from any folder."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.cli.demo import bundled_portrait

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS = {"opencv_video": "cv2", "pyav_video": "av", "camera": "cv2"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a portrait's face, twice side by side, drifting."""
    pytest.importorskip("av", reason="PyAV makes the clip")
    from support.clips import crowd_frames, write_clip

    face = Image.open(bundled_portrait()).convert("RGB").crop((130, 60, 400, 400)).resize((96, 120))
    return write_clip(
        tmp_path_factory.mktemp("clip") / "two.mp4", crowd_frames(np.asarray(face), faces=2, frames=10), fps=10
    )


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == NEEDS.keys()


@pytest.mark.parametrize("name", NEEDS)
def test_an_example_finds_the_faces_of_a_clip(name: str, clip: Path, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS[name], reason=f"the example needs {NEEDS[name]}")
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(clip)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if name == "pyav_video":
        assert re.findall(r"(\d+\.\d\d) s  2 faces: \{'", done.stdout)[:3] == ["0.00", "0.20", "0.40"]
    else:
        assert {"face 1", "face 2"} == {*re.findall(r"face \d+", done.stdout)}
    if name == "opencv_video":
        assert [*dict.fromkeys(re.findall(r"^\d+\.\d\d", done.stdout, re.MULTILINE))][:2] == ["0.00", "0.20"]
