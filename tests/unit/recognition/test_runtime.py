"""How many processors are taken where fewer are granted than the machine has, and what sessions keep up on them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fsrfer.recognition.onnx_shapes import free_picture_size
from fsrfer.recognition.runtime import granted_processors, open_session
from fsrfer.recognition.yunet import OUTPUTS, read_bundled_weights
from support.toy_model import TOY_INFO


def tree(root: Path, files: dict[str, str], own: str) -> tuple[Path, Path]:
    for name, text in files.items():
        (root / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "cgroup" / name).write_text(text)
    (root / "own").write_text(own)
    return root / "cgroup", root / "own"


@pytest.mark.parametrize(
    ("files", "own", "granted"),
    [
        ({"cpu.max": "100000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
        ({"cpu.max": "1000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, "0::/a/b\n", 1),
        ({"cpu.max": "100000 100000\n"}, "0::/path/of/the/host\n", 1),
        (
            {"cpu,cpuacct/d/cpu.cfs_quota_us": "90000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/d\n",
            1,
        ),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/docker/x\n", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/\n", None),
        ({"cpu.max": "nonsense"}, "what\n", None),
        ({}, "", None),
    ],
)
def test_a_quota_of_the_cgroup_is_honoured(
    tmp_path: Path, files: dict[str, str], own: str, granted: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert granted_processors(*tree(tmp_path, files, own)) == (granted or 8)


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not there")
def test_one_processor_by_affinity_is_one_thread() -> None:
    code = "from fsrfer.recognition.runtime import granted_processors; print(granted_processors())"
    done = subprocess.run(
        ["taskset", "-c", str(min(os.sched_getaffinity(0))), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


def test_a_session_that_met_many_shapes_answers_as_a_new_one() -> None:
    data = free_picture_size(read_bundled_weights())
    old = open_session(data, "old", 2)
    noise = np.random.default_rng(0)
    for height, width in ((640, 320), (64, 96), (320, 640), (96, 64), (128, 128), (64, 96), (640, 320)):
        picture = {old.get_inputs()[0].name: noise.integers(0, 256, (1, 3, height, width)).astype(np.float32)}
        new = open_session(data, "new", 2).run(OUTPUTS, picture)
        for first, second in zip(old.run(OUTPUTS, picture), new, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity")
def test_idle_threads_leave_the_processor_alone(toy: Path) -> None:
    session = open_session(toy.read_bytes(), "toy", 2)
    side = TOY_INFO.size
    picture = {"faces": np.zeros((16, 1, side, side), np.float32)}
    session.run(["logits"], picture)
    before = time.process_time()
    for _ in range(4):
        session.run(["logits"], picture)
        time.sleep(0.05)
    assert time.process_time() - before < 0.04
