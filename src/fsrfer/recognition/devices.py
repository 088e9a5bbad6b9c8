"""What networks can run on: ONNX Runtime's execution providers under the names that users give them."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
"""Packages of ONNX Runtime; all write into one folder, so only one can be installed at a time."""

CPU, AUTO = "cpu", "auto"


@dataclass(frozen=True, slots=True)
class Device:
    """One of the things that networks run on.

    Attributes:
        name: as users give it.
        provider: of ONNX Runtime.
        package: that holds the provider.
        batch: faces in one run of a recogniser: enough to be quick, little enough to bound memory.
        pads: whether batches are filled up to a power of two, because each new size costs a search or a compilation.
        options: of the provider.
        needs: what else the device needs, for messages.
        system: ``sys.platform`` of the only system that has it; "" for any.
    """

    name: str
    provider: str
    package: str = "onnxruntime"
    batch: int = 64
    pads: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""
    system: str = ""

    def provider_options(self, threads: int) -> dict[str, str]:
        """Options for a session that may use so many processor threads."""
        if self.name != "openvino":
            return dict(self.options)
        settings = {"INFERENCE_NUM_THREADS": str(threads), "INFERENCE_PRECISION_HINT": "f32"}
        return {**self.options, "load_config": json.dumps({"CPU": settings})}

    def padded(self, faces: int) -> int:
        """How many faces a batch of so many is filled up to."""
        return 1 << (faces - 1).bit_length() if self.pads else faces


DEVICES = {
    device.name: device
    for device in (
        Device(CPU, "CPUExecutionProvider"),
        Device(
            "cuda",
            "CUDAExecutionProvider",
            "onnxruntime-gpu",
            batch=256,
            pads=True,
            # A search over all algorithms takes seconds for each new shape; TF32 has three digits.
            options={"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
            needs="an NVIDIA GPU with its driver, CUDA and cuDNN (pip install 'onnxruntime-gpu[cuda,cudnn]')",
        ),
        Device(
            "openvino",
            "OpenVINOExecutionProvider",
            "onnxruntime-openvino",
            options={"device_type": "CPU"},
            needs="a processor that OpenVINO knows",
        ),
        Device(
            "coreml",
            "CoreMLExecutionProvider",
            pads=True,
            needs="macOS 12 or later",
            system="darwin",
        ),
        Device(
            "directml",
            "DmlExecutionProvider",
            "onnxruntime-directml",
            batch=256,
            pads=True,
            needs="Windows 10 or later and a GPU with DirectX 12",
            system="win32",
        ),
    )
}

NAMES = (*DEVICES, AUTO)
"""What users can ask for; `AUTO` is CUDA where it works, else the CPU."""


def installed_packages() -> list[str]:
    """Those of `PACKAGES` that are installed, each with its version."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def why_missing(device: Device, installed: list[str]) -> str:
    """One line on a device that the installed ONNX Runtime does not have: what to remove, what to install.

    Args:
        device: that was asked for.
        installed: as from `installed_packages`.
    """
    if device.system and sys.platform != device.system:
        return f"device {device.name}: it needs {device.needs}; use --device cpu"
    names = [package.split()[0] for package in installed]
    have = " and ".join(installed) or "an unknown ONNX Runtime"
    first = f"pip uninstall {' '.join(names)}, then: " if names else ""
    return f"device {device.name}: {have} cannot use it; run: {first}pip install {device.package}"
