"""Recall of the detector's presets by face height, on group photos shrunk step by step.

The truth is what the ``tiny`` preset finds with high confidence on the photo as it is; the same faces are then looked for in
the photo shrunk by many factors, so that each keeps its natural surroundings. Boxes that meet no face of any confidence
count as false alarms.

    python benchmarks/detection.py crowd.jpg team.jpg ...
    python benchmarks/detection.py crowd.jpg --baseline CHECKOUT     (another version of fsrfer beside this one)
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.images import load_rgb, resize
from fsrfer.types import FloatArray, UInt8Image
from measuring import processor, run

PRESETS = ("fast", "default", "tiny")

HOMES = ("fsrfer.recognition.detection", "fsrfer.inference.detection")
"""Where the detector is, and where it was in older versions."""

HEIGHTS = (7, 9, 11, 14, 18, 22, 28, 40, 80)
"""Edges of the bins of face height, in pixels."""

FACTORS = (1.0, 1.4, 2.0, 2.4, 2.8, 3.3, 4.0, 4.7, 5.6, 6.7, 8.0, 9.5, 11.3, 13.5)

SURE = 0.8
SAME_FACE = 0.4


@dataclass
class Tally:
    """What one preset found."""

    found: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    false_alarms: int = 0
    seconds: float = 0.0
    megapixels: float = 0.0


@dataclass(frozen=True)
class Photo:
    """A photo, the boxes of its sure faces, and those of all its possible ones."""

    rgb: UInt8Image
    sure: FloatArray
    possible: FloatArray


def main() -> None:
    """Print a row of recall a preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--sizes", type=float, nargs="+", metavar="MP", help="time at these megapixels instead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="of another commit, measured as well")
    options = parser.parse_args()
    print(f"{processor()}, {options.threads} threads a network")
    times(options) if options.sizes else recalls(options)
    if options.baseline:
        again = [argument for argument in sys.argv[1:] if argument not in ("--baseline", str(options.baseline))]
        print(f"\n{options.baseline}:", flush=True)
        path = os.pathsep.join([str(options.baseline / "src"), os.environ.get("PYTHONPATH", "")])
        subprocess.run([sys.executable, __file__, *again], env={**os.environ, "PYTHONPATH": path}, check=True)


def recalls(options: argparse.Namespace) -> None:
    """A row a preset: recall by height, false alarms, cost."""
    reference = detector("tiny", options.threads)
    photos = [read(path, reference) for path in options.photos]
    for number, preset in enumerate(options.presets):
        tally, looking = Tally(), detector(preset, options.threads)
        for photo in photos:
            measure(looking, photo, tally)
        if number == 0:
            print(header(tally))
        print(row(preset, tally), flush=True)


def times(options: argparse.Namespace) -> None:
    """Each photo scaled to each size: seconds by the clock and of the processor, the best of three."""
    print(line("", [f"{size:g} MP" for size in options.sizes], " (clock / processor, s)"))
    for preset in options.presets:
        looking = detector(preset, options.threads)
        for path in options.photos:
            rgb = load_rgb(path)
            scales = [(size * 1e6 / (rgb.shape[0] * rgb.shape[1])) ** 0.5 for size in options.sizes]
            scaled = (resize(rgb, (round(rgb.shape[1] * by), round(rgb.shape[0] * by))) for by in scales)
            best = [np.min([cost(looking, picture) for _ in range(3)], axis=0) for picture in scaled]
            print(line(preset, [f"{clock:.2f}/{work:.2f}" for clock, work in best], "  ", Path(path).name), flush=True)


def cost(looking: Any, picture: UInt8Image) -> tuple[float, float]:
    """Seconds of one look, by the clock and of the processor."""
    began = time.perf_counter(), time.process_time()
    looking.detect(picture)
    return time.perf_counter() - began[0], time.process_time() - began[1]


def detector(preset: str, threads: int) -> Any:
    """The detector of whichever version of fsrfer is on the path."""
    for home in HOMES:
        if importlib.util.find_spec(home.rpartition(".")[0]):
            return importlib.import_module(home).Detector(preset, threads)
    raise ModuleNotFoundError(" or ".join(HOMES))


def read(path: str, reference: Any) -> Photo:
    """A photo and its true faces."""
    rgb = load_rgb(path)
    found = reference.detect(rgb)
    return Photo(rgb, found.boxes[found.scores >= SURE], found.boxes)


def measure(looking: Any, photo: Photo, tally: Tally) -> None:
    """Look for one photo's faces at every factor."""
    for factor, shrunk in shrunken(photo.rgb):
        start = time.process_time()
        boxes = looking.detect(shrunk).boxes
        tally.seconds += time.process_time() - start
        tally.megapixels += shrunk.shape[0] * shrunk.shape[1] / 1e6
        is_found = overlaps(photo.sure / factor, boxes).max(axis=1, initial=0) >= SAME_FACE
        for box, hit in zip(photo.sure / factor, is_found.tolist(), strict=True):
            tally.found[int(np.digitize(box[3] - box[1], HEIGHTS))].append(hit)
        tally.false_alarms += int((overlaps(boxes, photo.possible / factor).max(axis=1, initial=0) < 0.2).sum())


def shrunken(rgb: UInt8Image) -> Iterator[tuple[float, UInt8Image]]:
    """The photo at each factor."""
    for factor in FACTORS:
        yield factor, resize(rgb, (round(rgb.shape[1] / factor), round(rgb.shape[0] / factor)))


def overlaps(first: FloatArray, second: FloatArray) -> NDArray[np.float32]:
    """Intersection over union of every pair, N x M."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (bottom_right - top_left).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def header(tally: Tally) -> str:
    """Bins, and how many faces fall into each."""
    bins = [f"{low}-{high}" for low, high in pairwise(HEIGHTS)]
    counts = [str(len(tally.found[index])) for index in bin_numbers()]
    return "\n".join([line("height px", bins, "false", "cpu s/MP"), line("faces", counts, "", "")])


def row(preset: str, tally: Tally) -> str:
    """Recall in each bin, in percent."""
    recalls = [f"{100 * np.mean(tally.found[index]):.0f}" if tally.found[index] else "-" for index in bin_numbers()]
    return line(preset, recalls, str(tally.false_alarms), f"{tally.seconds / tally.megapixels:.2f}")


def bin_numbers() -> Sequence[int]:
    """The inner bins of `HEIGHTS`."""
    return range(1, len(HEIGHTS))


def line(name: str, cells: Sequence[str], *ends: str) -> str:
    """Aligned columns."""
    return f"{name:<10}" + "".join(f"{cell:>8}" for cell in (*cells, *ends))


if __name__ == "__main__":
    run(main)
