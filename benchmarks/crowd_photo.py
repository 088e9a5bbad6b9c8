"""How long a photo with hundreds of faces takes, by model, beside another version of fsrfer.

A crowd is made of one photo: shrunk, and laid side by side and row by row until the picture has the megapixels asked for. Each
model then looks at it as `fsrfer predict` does, detection and recognition, in a process of its own; models and versions take
turns, and the quickest of the rounds counts.

    python benchmarks/crowd_photo.py group.jpg
    python benchmarks/crowd_photo.py group.jpg --models default default-int8 fast --baseline CHECKOUT --json crowd-photo.json
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fsrfer.files import write_text
from fsrfer.images import load_rgb, resize
from fsrfer.types import UInt8Image
from measuring import instructions, processor, run

SINCE = {"default-int8"}
"""Models that a baseline may lack."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model of a version of fsrfer.

    Attributes:
        model: its name.
        version: what to call the version.
        sources: its folder of packages; None is this one.
    """

    model: str
    version: str
    sources: Path | None


def main() -> int:
    """Make the crowd, let each look at it in turns, print."""
    options = arguments()
    if options.look:
        print(json.dumps(look(options.photo, options.models[0], options.detector, options.threads)))
        return 0
    crowd = tiled(load_rgb(options.photo), options.shrink, options.megapixels)
    height, width = crowd.shape[:2]
    print(f"{width} x {height}; {processor()}, {instructions()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crowd.png"
        Image.fromarray(crowd).save(path, compress_level=1)
        rows = rounds(contestants(options), path, options)
    for row in rows:
        print("{version:<8} {model:<14} {faces:>5} faces {seconds:>7.2f} s".format_map(row))
    if options.json:
        machine = {"processor": processor(), "instructions": instructions(), "threads": options.threads}
        report = {"command": sys.argv, "machine": machine, "width": width, "height": height, "rows": rows}
        write_text(options.json, json.dumps(report, indent=2) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, help="with many faces")
    parser.add_argument("--models", nargs="+", default=["default", "default-int8", "fast"], metavar="M")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--shrink", type=float, default=2, help="the photo by this factor (%(default)g)")
    parser.add_argument("--megapixels", type=float, default=8, help="of the crowd, about (%(default)g)")
    parser.add_argument("--threads", type=int, help="of each network (as many as there are processors)")
    parser.add_argument("--rounds", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="of another version, measured as well")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--look", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def tiled(photo: UInt8Image, shrink: float, megapixels: float) -> UInt8Image:
    """Copies of the shrunken photo in rows, of about so many megapixels."""
    height, width = (round(side / shrink) for side in photo.shape[:2])
    small = resize(photo, (width, height))
    copies = megapixels * 1e6 / (height * width)
    across = max(1, round(math.sqrt(copies * height / width)))
    return np.tile(small, (max(1, round(copies / across)), across, 1))


def contestants(options: argparse.Namespace) -> list[Contestant]:
    """This version's models, and those that the baseline has too."""
    now = [Contestant(model, "now", None) for model in options.models]
    if options.baseline is None:
        return now
    before = options.baseline / "src"
    return [*(Contestant(model, "before", before) for model in options.models if model not in SINCE), *now]


def rounds(contestants: list[Contestant], path: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The quickest look of each."""
    seen: dict[Contestant, list[dict[str, Any]]] = {one: [] for one in contestants}
    for _ in range(options.rounds):
        for one, looks in seen.items():
            looks.append(in_own_process(one, path, options))
    quickest = {one: min(looks, key=lambda found: float(found["seconds"])) for one, looks in seen.items()}
    return [{"version": one.version, "model": one.model, **found} for one, found in quickest.items()]


def in_own_process(one: Contestant, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What `look` says, by the contestant's version."""
    threads = ["--threads", str(options.threads)] if options.threads else []
    line = [
        sys.executable,
        __file__,
        str(path),
        "--look",
        "--models",
        one.model,
        "--detector",
        options.detector,
        *threads,
    ]
    sources = {} if one.sources is None else {"PYTHONPATH": str(one.sources)}
    done = subprocess.run(line, env={**os.environ, **sources}, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def look(path: Path, model: str, detector: str, threads: int | None) -> dict[str, float]:
    """Seconds that a loaded recogniser takes, and faces it finds; every version of fsrfer has these calls."""
    from fsrfer import Recognizer

    recognizer = Recognizer(model, detector, threads=threads)
    photo = load_rgb(path)
    recognizer.predict(photo[:64, :64])
    start = time.perf_counter()
    faces = recognizer.predict(photo).faces
    return {"faces": len(faces), "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    run(main)
