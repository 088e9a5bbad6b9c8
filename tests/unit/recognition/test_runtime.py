"""How many processors are taken where fewer are granted than the machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsrfer.recognition.runtime import granted_processors


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
