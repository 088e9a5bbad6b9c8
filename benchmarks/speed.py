"""How fast recognition and detection are on this machine, and how much memory they take.

Run ``python benchmarks/speed.py --help``. Input is made up unless a photo is given: the cost does not depend on what
the pixels show, except that a crowd has more faces to recognise.
"""

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fsrfer import Recognizer
from fsrfer.files import write_text
from fsrfer.images import load_rgb
from fsrfer.recognition.detection import PRESETS, Detector
from fsrfer.types import UInt8Image
from measuring import Measured, once, processor, random_picture, readable, run, summary, timed

BATCHES = (1, 64)
CROWD = 100
PHOTO_SIZE = (1920, 1080)


def main() -> None:
    """Measure, print, and save what was asked for."""
    options = arguments()
    rng = np.random.default_rng(0)
    recognizer = Recognizer(options.model, threads=options.threads)
    photo = load_rgb(options.photo) if options.photo else random_picture(rng, *PHOTO_SIZE)
    results = [
        *recognition(recognizer, rng, options.repeat),
        *crowd(recognizer, rng, options.repeat),
        *detection(photo, options.threads, options.repeat),
        Measured("peak memory of this run", peak_memory(), "MiB"),
    ]
    facts = machine(options, recognizer, photo)
    Console(width=100).print(as_table(results, facts))
    if options.json:
        content = {"command": sys.argv, "machine": facts, "results": [asdict(result) for result in results]}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Speed and memory of recognition and detection.")
    parser.add_argument("--model", default="default", help="a bundled model or a model file (%(default)s)")
    parser.add_argument("--photo", type=Path, help="time detection on this photo (default: noise of 1920 x 1080)")
    parser.add_argument("--threads", type=int, help="of each network (default: one a core)")
    parser.add_argument("--repeat", type=int, default=9, help="repetitions of each figure (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save figures and facts of the machine there")
    return parser.parse_args()


def recognition(recognizer: Recognizer, rng: np.random.Generator, repeat: int) -> list[Measured]:
    """Milliseconds a face, crops in memory, at several batch sizes."""
    side = recognizer.info.size
    results = []
    for count in BATCHES:
        crops = [random_picture(rng, side, side) for _ in range(count)]
        seconds = timed(partial(recognizer.classify, crops), repeat)
        results.append(summary(f"recognition, batch {count}", [1000 * s / count for s in seconds], "ms a face"))
    return results


def crowd(recognizer: Recognizer, rng: np.random.Generator, repeat: int) -> list[Measured]:
    """What many faces cost against a single one: the network alone, and a photo with given boxes (nothing is detected)."""
    side = recognizer.info.size
    crops = [random_picture(rng, side, side) for _ in range(CROWD)]
    photo = random_picture(rng, *PHOTO_SIZE)
    corners = rng.uniform((0, 0), (PHOTO_SIZE[0] - 24, PHOTO_SIZE[1] - 30), (CROWD, 2))
    boxes = np.hstack([corners, corners + np.array((24, 30))])
    return [
        *against_one("recognition", recognizer.classify, crops, repeat),
        *against_one("photo", lambda given: recognizer.predict(photo, boxes=given), boxes, repeat),
    ]


def against_one(what: str, action: Callable[[Any], object], faces: Any, repeat: int) -> list[Measured]:
    """One face, all faces, and their ratio, measured in turns so that a busy moment meets both."""
    pairs = [(once(lambda: action(faces[:1])), once(lambda: action(faces))) for _ in range(repeat + 1)][1:]
    return [
        summary(f"{what}, 1 face", [1000 * one for one, _ in pairs], "ms"),
        summary(f"{what}, {len(faces)} faces", [1000 * many for _, many in pairs], "ms"),
        summary(f"{what}, {len(faces)} faces against 1", [many / one for one, many in pairs], "times"),
    ]


def detection(photo: UInt8Image, threads: int | None, repeat: int) -> list[Measured]:
    """Milliseconds a megapixel of each preset."""
    megapixels = photo.shape[0] * photo.shape[1] / 1e6
    results = []
    for preset in PRESETS:
        detector = Detector(preset, threads)
        seconds = timed(partial(detector.detect, photo), max(1, repeat // 3))
        results.append(summary(f"detection, {preset}", [1000 * s / megapixels for s in seconds], "ms a megapixel"))
    return results


def peak_memory() -> float:
    """The most memory this process held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def machine(options: argparse.Namespace, recognizer: Recognizer, photo: UInt8Image) -> dict[str, Any]:
    """What a reader needs to compare figures."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": options.threads or "one a core",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("fsrfer", "onnxruntime", "numpy", "pillow")},
        "model": f"{recognizer.info.name} {recognizer.info.version}, {recognizer.info.gflop:g} GFLOP a face",
        "photo": f"{photo.shape[1]} x {photo.shape[0]}",
    }


def as_table(results: list[Measured], facts: dict[str, Any]) -> Table:
    """Figures, with the facts of the machine below."""
    table = Table(
        title="fsrfer, speed and memory", caption="\n".join(f"{key}: {value}" for key, value in facts.items())
    )
    table.caption_justify = "left"
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("spread", justify="right")
    table.add_column("unit")
    for result in results:
        spread = "" if result.spread is None else readable(result.spread)
        table.add_row(result.what, readable(result.value), spread, result.unit)
    return table


if __name__ == "__main__":
    run(main)
