"""One way to ONNX Runtime and to an open ONNX file, for the detector and the recogniser."""

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fsrfer import telemetry
from fsrfer.errors import DeviceError, ModelError
from fsrfer.recognition.devices import AUTO, CPU, DEVICES, NAMES, installed_packages, why_missing

DEFAULT_SEVERITY = 2
"""Of what ONNX Runtime logs: warnings and worse."""

SMALLEST_GRAPH = (
    b'\x08\x08:3\n\x0c\n\x01x\x12\x01y"\x04Relu\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""An ONNX file: y = Relu(x), of one number."""


def import_onnxruntime() -> Any:
    """ONNX Runtime, its telemetry switched off first; nothing else in the project imports it."""
    telemetry.switch_off()
    import onnxruntime  # here, so that `import fsrfer` stays quick

    return onnxruntime


def import_quantization() -> Any:
    """ONNX Runtime's tool that puts graphs into 8 bits; it needs the package ``onnx``."""
    import_onnxruntime()
    return import_module("onnxruntime.quantization")


def open_session(data: bytes, where: str, threads: int | None = None, device: str = CPU) -> Any:
    """An ONNX Runtime session, from the bytes of a file (so nothing beside it is read).

    Args:
        data: the content of the ``.onnx`` file.
        where: names the file in messages.
        threads: how many to use; None takes one for each of `granted_processors`.
        device: one of `DEVICES`, as from `choose_device`.

    Raises:
        ModelError: ONNX Runtime cannot load it, or not on this device.
    """
    chosen, count = DEVICES[device], threads or granted_processors()
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count
    options.inter_op_num_threads = 1
    # Idle threads would wait in a loop, and take the processor from whatever prepares the next picture.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    options.enable_mem_pattern = False  # would keep a plan for each new shape, and DirectML cannot have one
    if b"QuantizeLinear" not in data:
        # No activation has 8 bits, so kernels that have are made float32 once, on loading, and not again for each batch.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    providers = [(chosen.provider, chosen.provider_options(count))]
    try:
        # Its fallback would print, and try the same provider again.
        session = onnxruntime.InferenceSession(data, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        how = "check that it is a whole .onnx file" + ("" if device == CPU else ", or use --device cpu")
        raise ModelError(f"{where}: not a model that ONNX Runtime can load; {how}") from error
    if session.get_providers()[0] != chosen.provider:
        raise ModelError(f"{where}: cannot be loaded on the device {device}; use --device cpu")
    return OneRunAtATime(session) if device == "directml" else session


class OneRunAtATime:
    """A session whose runs wait for each other, as DirectML wants it."""

    def __init__(self, session: Any):
        """Take over a session."""
        self._session, self._lock = session, Lock()

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """As the session's own, once no other run is going on."""
        with self._lock:
            return list(self._session.run(outputs, feeds))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def choose_device(name: str) -> str:
    """The device that networks will run on.

    Args:
        name: one of `NAMES`.

    Returns:
        One of `DEVICES`; for ``auto`` ``cuda`` where a network really runs there, else ``cpu``.

    Raises:
        DeviceError: no such device, the installed ONNX Runtime cannot use it, or it does not work here.
    """
    if name not in NAMES:
        raise DeviceError(f"device {name}: there is none of this name; use one of {', '.join(NAMES)}")
    if name == CPU:
        return CPU
    wanted = DEVICES["cuda" if name == AUTO else name]
    is_there = wanted.provider in import_onnxruntime().get_available_providers()
    if is_there and _works(wanted.name):
        return wanted.name
    if name == AUTO:
        return CPU
    if is_there:
        raise DeviceError(f"device {name}: it cannot be used on this machine; it needs {wanted.needs}")
    raise DeviceError(why_missing(wanted, installed_packages()))


def working_devices() -> list[str]:
    """Names of all devices that networks really run on here."""
    available = import_onnxruntime().get_available_providers()
    return [name for name, device in DEVICES.items() if device.provider in available and _works(name)]


@cache
def _works(device: str) -> bool:
    """Whether a network runs there. A provider that is listed may lack its libraries, which ONNX Runtime hides."""
    onnxruntime = import_onnxruntime()
    onnxruntime.set_default_logger_severity(4)
    try:
        with redirect_stdout(StringIO()):
            if device == "cuda" and hasattr(onnxruntime, "preload_dlls"):
                onnxruntime.preload_dlls()  # finds the libraries that pip installed
            values = open_session(SMALLEST_GRAPH, "a test", 1, device).run(None, {"x": np.ones(1, np.float32)})
    except Exception:  # of whatever kind: it does not work
        return False
    finally:
        onnxruntime.set_default_logger_severity(DEFAULT_SEVERITY)
    return bool(values[0][0] == 1)


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
