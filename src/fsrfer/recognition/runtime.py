"""One way to ONNX Runtime and to an open ONNX file, for the detector and the recogniser."""

import math
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from fsrfer import telemetry
from fsrfer.errors import ModelError


def import_onnxruntime() -> Any:
    """ONNX Runtime, its telemetry switched off first; nothing else in the project imports it."""
    telemetry.switch_off()
    import onnxruntime  # here, so that `import fsrfer` stays quick

    return onnxruntime


def import_quantization() -> Any:
    """ONNX Runtime's tool that puts graphs into 8 bits; it needs the package ``onnx``."""
    import_onnxruntime()
    return import_module("onnxruntime.quantization")


def open_session(data: bytes, where: str, threads: int | None = None) -> Any:
    """An ONNX Runtime session on the CPU, from the bytes of a file (so nothing beside it is read).

    Args:
        data: the content of the ``.onnx`` file.
        where: names the file in messages.
        threads: how many to use; None takes one for each of `granted_processors`.

    Raises:
        ModelError: ONNX Runtime cannot load it.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or granted_processors()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if b"QuantizeLinear" not in data:
        # No activation has 8 bits, so kernels that have are made float32 once, on loading, and not again for each batch.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        # Its fallback would print, and try the same provider again.
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise ModelError(
            f"{where}: not a model that ONNX Runtime can load; check that it is a whole .onnx file"
        ) from error


CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
"""Where Linux keeps the quotas of groups of processes, and which group this process is in."""


def granted_processors(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """How many processors this process may keep busy: by its affinity and its cgroup's quota, where they are fewer.

    Args:
        cgroups: the tree of cgroups, version 1 or 2.
        own: the file that names the process's groups in it.

    Returns:
        1 or more; a part of a processor counts whole.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *(math.ceil(quota) for quota in _quotas(cgroups, own))]))


def _quotas(cgroups: Path, own: Path) -> list[float]:
    """Processors that each group allows, from the process's own group up; none where nothing is limited."""
    quotas: list[float] = []
    for line in _text(own).splitlines() or ["0::/"]:
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "", "/")
        if controllers and "cpu" not in controllers.split(","):
            continue
        roots = [cgroups / name for name in (controllers, "cpu")] if controllers else [cgroups, cgroups / "unified"]
        for root in roots:
            group = Path(path.lstrip("/"))
            # In a container the path may be the host's, of which only the root can be seen.
            quotas += [quota for place in (group, *group.parents) if (quota := _quota(root / place)) is not None]
    return quotas


def _quota(group: Path) -> float | None:
    version_2 = _text(group / "cpu.max").split()
    version_1 = [_text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    for words in (version_2, version_1):
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]) > 0 and int(words[0]) > 0:
            return int(words[0]) / int(words[1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
