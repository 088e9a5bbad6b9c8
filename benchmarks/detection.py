"""Recall of the detector's presets by face height, and what a look costs by megapixels and by faces.

The truth is what the ``tiny`` preset finds with high confidence on the photo as it is; the same faces are then looked for in
the photo shrunk by many factors, so that each keeps its natural surroundings. Boxes that meet no face of any confidence
count as false alarms. ``opencv`` is OpenCV's own wrapper of the same network, given the whole picture at once.

    python benchmarks/detection.py crowd.jpg team.jpg ...
    python benchmarks/detection.py crowd.jpg --baseline CHECKOUT     (another version of fsrfer beside this one)
    python benchmarks/detection.py crowd.jpg --sizes 2 8 12 --faces 0 20 100 --baseline CHECKOUT
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.images import crop_faces, load_rgb, resize
from fsrfer.types import Detections, FloatArray, UInt8Image
from measuring import processor, run

PRESETS = ("fast", "default", "tiny")

PEER = "opencv"

Row = tuple[str, str, list[str]]
"""A preset (or a title), a photo's name, and cells."""

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
    """Print the rows of this version, of another, and of a peer side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=[*PRESETS])
    parser.add_argument("--sizes", type=float, nargs="+", metavar="MP", default=[], help="time at these megapixels")
    parser.add_argument("--faces", type=int, nargs="+", metavar="N", default=[], help="time 2 MP with so many faces")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="of each time the least of N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="of another commit, measured as well")
    parser.add_argument("--raw", action="store_true", help="one row of JSON a line, without the peer")
    options = parser.parse_args()
    rows = times if options.sizes or options.faces else recalls
    if options.raw:
        for row in rows(options):
            print(json.dumps(row), flush=True)
        return
    print(f"{processor()}, {os.cpu_count()} processors, {options.threads} threads a network, {versions()}")
    if opencv := importlib.util.find_spec("cv2"):
        options.presets.append(PEER)
    before = rows_of(options.baseline) if options.baseline else {}
    for preset, photo, cells in rows(options):
        print(line(preset, cells, " ", photo))
        if (preset, photo) in before:
            print(line("  before", before[preset, photo], " ", photo), flush=True)
    if not opencv:
        print(f"{PEER}: not installed, so not measured")


def versions() -> str:
    """Of what runs the networks."""
    names = {"onnxruntime": "ONNX Runtime", "opencv-python-headless": "OpenCV", "opencv-python": "OpenCV"}
    known = {dist.name: dist.version for dist in distributions()}
    return ", ".join(f"{title} {known[name]}" for name, title in names.items() if name in known)


def rows_of(checkout: Path) -> dict[tuple[str, str], list[str]]:
    """The same rows by another version of fsrfer, by preset and photo."""
    asked = [argument for argument in sys.argv[1:] if argument not in ("--baseline", str(checkout))]
    path = os.pathsep.join([str(checkout / "src"), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        [sys.executable, __file__, *asked, "--raw"],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return {(preset, photo): cells for preset, photo, cells in map(json.loads, told.splitlines())}


def recalls(options: argparse.Namespace) -> Iterator[Row]:
    """A row a preset: recall by height, false alarms, cost."""
    reference = detector("tiny", options.threads)
    photos = [read(path, reference) for path in options.photos]
    for number, preset in enumerate(options.presets):
        tally, looking = Tally(), detector(preset, options.threads)
        for photo in photos:
            measure(looking, photo, tally)
        if number == 0:
            yield "height px", "", [f"{low}-{high}" for low, high in pairwise(HEIGHTS)] + ["false", "cpu s/MP"]
            yield "faces", "", [str(len(tally.found[index])) for index in bin_numbers()]
        yield preset, "", recalls_of(tally)


def times(options: argparse.Namespace) -> Iterator[Row]:
    """Each photo at each size, and its faces in a picture of 2 MP: the least seconds of a few looks."""
    titles = [f"{size:g} MP" for size in options.sizes] + [f"{count} faces" for count in options.faces]
    yield "clock/cpu", "", titles
    for path in options.photos:
        rgb = load_rgb(path)
        scales = [(size * 1e6 / (rgb.shape[0] * rgb.shape[1])) ** 0.5 for size in options.sizes]
        pictures = [resize(rgb, (round(rgb.shape[1] * by), round(rgb.shape[0] * by))) for by in scales]
        pictures += [crowd(rgb, count) for count in options.faces]
        for preset in options.presets:
            looking = detector(preset, options.threads)
            best = [np.min([cost(looking, picture) for _ in range(options.repeat)], axis=0) for picture in pictures]
            yield preset, Path(path).name, [f"{clock:.2f}/{work:.2f}" for clock, work in best]


def crowd(rgb: UInt8Image, count: int) -> UInt8Image:
    """Faces of a photo with their surroundings, 24 px high, so many times on a ground of 1920 x 1080."""
    boxes = [box for box in detector("fast", 1).detect(rgb).boxes.tolist() if box[0] > 0 < box[1]]
    side, columns = 72, 26  # three times the height of a face; as many as stand side by side
    patches = crop_faces(rgb, boxes, side, 1.0)
    ground = np.full((1080, 1920, 3), 110, np.uint8)
    for number in range(min(count, columns * (1080 // side)) if len(patches) else 0):
        row, column = divmod(number, columns)
        ground[row * side : (row + 1) * side, column * side : (column + 1) * side] = patches[number % len(patches)]
    return ground


def cost(looking: Any, picture: UInt8Image) -> tuple[float, float]:
    """Seconds of one look, by the clock and of the processor."""
    began = time.perf_counter(), time.process_time()
    looking.detect(picture)
    return time.perf_counter() - began[0], time.process_time() - began[1]


def detector(preset: str, threads: int) -> Any:
    """The peer, or the detector of whichever version of fsrfer is on the path."""
    if preset == PEER:
        return OpenCv(threads)
    for home in HOMES:
        if importlib.util.find_spec(home.rpartition(".")[0]):
            return importlib.import_module(home).Detector(preset, threads)
    raise ModuleNotFoundError(" or ".join(HOMES))


class OpenCv:
    """OpenCV's wrapper of the same network, with its own defaults but for the threshold, which is ours."""

    def __init__(self, threads: int):
        """Load it."""
        self._cv2: Any = importlib.import_module("cv2")
        self._cv2.setNumThreads(threads)
        weights = importlib.import_module("fsrfer.recognition.yunet").bundled_weights()
        self._network = self._cv2.FaceDetectorYN.create(str(weights), "", (320, 320), 0.7)

    def detect(self, image: UInt8Image) -> Detections:
        """All faces of a picture."""
        self._network.setInputSize((image.shape[1], image.shape[0]))
        found = self._network.detect(np.ascontiguousarray(image[:, :, ::-1]))[1]
        rows = np.zeros((0, 15), np.float32) if found is None else found
        boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
        return Detections(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2))


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


def recalls_of(tally: Tally) -> list[str]:
    """Recall in each bin, in percent; false alarms; the processor's seconds a megapixel."""
    recalls = [f"{100 * np.mean(tally.found[index]):.0f}" if tally.found[index] else "-" for index in bin_numbers()]
    return [*recalls, str(tally.false_alarms), f"{tally.seconds / tally.megapixels:.2f}"]


def bin_numbers() -> Sequence[int]:
    """The inner bins of `HEIGHTS`."""
    return range(1, len(HEIGHTS))


def line(name: str, cells: Sequence[str], *ends: str) -> str:
    """Aligned columns."""
    return f"{name:<10}" + "".join(f"{cell:>11}" for cell in cells) + "".join(ends)


if __name__ == "__main__":
    run(main)
