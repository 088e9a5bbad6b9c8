"""Nothing leaves the machine: the telemetry of packages that fsrfer builds on is off, unless the user has set it."""

import os

SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Environment variables and the value that switches a package's telemetry off.

ONNX Runtime 1.29 and later writes a device ID to the user's cache and asks for its collector's host about 45 s later, unless
the variable is set before its first import; its own ``disable_telemetry_events()`` comes too late. The package
of the Hugging Face hub, which only what names a repository imports, tells with each request which packages are installed.
"""


def switch_off() -> None:
    """Set every switch that the user has not set; to be called before any of the packages is imported."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
