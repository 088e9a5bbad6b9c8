"""How many frames a second ``fsrfer video`` looks at, where its time goes, how soon it sees who enters, and its memory.

Videos are made on the spot: copies of a portrait (or the faces of a group photo, ``--photo``) drift across a grey ground; two
faces enter on the way. The command itself is run on each, in a process of its own, once for each quality: the frames it looked
at by the seconds it took, the processor's milliseconds a frame after the first, and those of each stage by the clock (stages
overlap; where other processes are busy, only the processor's time tells). ``latency`` is what a frame of one's own loop takes,
median and worst.

    python benchmarks/video.py [MODEL.onnx] [--baseline CHECKOUT] [--photo crowd.jpg] [--every 0.2]
    python benchmarks/video.py --growth            (megapixels and faces: what a frame of one's own loop costs)
    python benchmarks/video.py --memory 3600       (seconds of video, one frame a second)
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from fsrfer import VideoRecognizer
from fsrfer.cli.demo import bundled_portrait
from fsrfer.files import write_text
from fsrfer.images import load_rgb
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.runtime import granted_processors
from fsrfer.types import UInt8Image
from fsrfer.video.quality import QUALITIES
from fsrfer.video.reading import open_video
from measuring import processor, run

CASES = (((640, 360), 20), ((1920, 1080), 20), ((1920, 1080), 100))
RATE = 25

ENTRIES = (1.04, 2.24)
"""Seconds at which another face enters."""

PEAK_OF = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=2)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass(frozen=True)
class Version:
    """A way to run the command: sources, and options."""

    name: str
    sources: str | None
    options: tuple[str, ...]


def main() -> None:
    """Print a line a case and version."""
    options = parse()
    print(f"{processor()}, {granted_processors()} processors, {options.threads or 'all'} threads a network", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            report = memory(options, Path(folder))
        else:
            report = growth(options) if options.growth else speed(options, Path(folder))
    if options.json:
        write_text(options.json, json.dumps(report, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="default", metavar="MODEL")
    parser.add_argument("--seconds", type=float, default=6, help="of each video (%(default)g)")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two frames looked at (%(default)s)")
    parser.add_argument("--qualities", nargs="+", choices=list(QUALITIES), default=list(QUALITIES))
    parser.add_argument("--photo", type=Path, help="whose faces are shown in the place of the portrait")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--threads", type=int, help="of each network (as many as there are processors)")
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="of another commit, measured as well")
    parser.add_argument("--growth", action="store_true", help="what a frame costs by megapixels and faces, instead")
    parser.add_argument("--memory", type=int, metavar="SECONDS", help="memory on a video of this length, instead")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def speed(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Every size and number of faces, by every version and quality."""
    copies = faces_of(options.photo, options.threads)
    report = []
    heads = (
        f"{'video':>10}{'faces':>6}  {'version':<10}{'fps':>7}{'cpu ms':>8}{'found':>7}{'tracks':>7}{'latency ms':>12}"
    )
    print(f"{heads}  stages, ms a frame")
    for size, faces in CASES:
        path = write_video(folder / "clip.mp4", drifting(size, faces, round(options.seconds * RATE), copies), RATE)
        first = write_video(folder / "first.mp4", drifting(size, faces, 1, copies), RATE)
        for version in versions(options):
            row = {"width": size[0], "height": size[1], "faces": faces, "version": version.name}
            out = folder / f"{size[1]}-{faces}-{version.name}"
            _, start = command(options, version, first, out.with_suffix(".first"))
            summary, used = command(options, version, path, out)
            row |= figures(summary, used - start)
            if version.sources is None:
                row |= own_loop(options, version.name, path)
            report.append(row)
            print_row(row)
    return report


def versions(options: argparse.Namespace) -> Iterator[Version]:
    """The baseline, and each quality."""
    if options.baseline:
        yield Version("before", str(options.baseline / "src"), ())
    for quality in options.qualities:
        yield Version(quality, None, ("--quality", quality))


def command(options: argparse.Namespace, version: Version, path: Path, out: Path) -> tuple[dict[str, Any], float]:
    """One run of ``fsrfer video``: its summary, and the seconds of the processor that it took."""
    fixed = ["--every", str(options.every), "--model", str(options.model), "--detector", options.detector]
    threads = ["--threads", str(options.threads)] if options.threads else []
    line = [sys.executable, "-m", "fsrfer.cli.main", "video", str(path), "-o", str(out)]
    sources = {} if version.sources is None else {"PYTHONPATH": version.sources}
    before = work_of_children()
    subprocess.run(
        [*line, *fixed, *threads, *version.options], env={**os.environ, **sources}, check=True, capture_output=True
    )
    used = work_of_children() - before
    return json.loads((out / "summary.json").read_text(encoding="utf-8")), used


def figures(summary: dict[str, Any], used: float) -> dict[str, Any]:
    """Of a run whose start and first frame are not in the seconds that were ``used``."""
    frames, work = summary["frames"], summary["work"]
    return {
        "fps": round(frames / work["seconds"], 2),
        "cpu_ms_a_frame": round(1000 * used / (frames - 1), 1),
        "found": round(summary["sightings"] / frames, 1),
        "tracks": summary["tracks"],
        "ms_a_frame": {name: round(1000 * value / frames, 1) for name, value in work["seconds_by_stage"].items()},
    }


def work_of_children() -> float:
    """Seconds of the processor that finished processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def own_loop(options: argparse.Namespace, quality: str, path: Path) -> dict[str, Any]:
    """What a frame takes from hand to answer, and how soon those are found who enter."""
    recognizer = VideoRecognizer(options.model, options.detector, options.threads, quality=quality)
    waits: list[float] = []
    counts: list[tuple[float, int]] = []
    with open_video(path, options.threads) as clip:
        for frame in clip.frames(options.every):
            began = time.perf_counter()
            result = recognizer.update(frame.rgb, frame.time)
            waits.append(1000 * (time.perf_counter() - began))
            counts.append((frame.time, len({one.track for one in result.faces})))
    before = counts[0][1]
    late = [
        next((moment for moment, count in counts if count >= before + number), np.inf) - entry
        for number, entry in enumerate(ENTRIES, 1)
    ]
    # The first frame is left out: all its faces are new, and the networks run for the first time.
    return {
        "latency_ms": [round(float(np.median(waits[1:])), 1), round(max(waits[1:]), 1)],
        "found_after": round(max(late), 2),
    }


def print_row(row: dict[str, Any]) -> None:
    """One line."""
    latency = "/".join(f"{value:.0f}" for value in row.get("latency_ms", ()))
    stages = "  ".join(f"{name} {value:g}" for name, value in row["ms_a_frame"].items())
    seen = f"; who enters is found after {row['found_after']:g} s" if "found_after" in row else ""
    size = f"{row['width']}x{row['height']}"
    work = f"{row['fps']:>7.1f}{row['cpu_ms_a_frame']:>8.0f}{row['found']:>7.1f}{row['tracks']:>7}{latency:>12}"
    print(f"{size:>10}{row['faces']:>6}  {row['version']:<10}{work}  {stages}{seen}", flush=True)


def growth(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Milliseconds of the processor that a frame takes, searched whole and in quick looks, with one face and with many."""
    copies = faces_of(options.photo, options.threads)
    detector = Detector(options.detector, options.threads)
    report = []
    for megapixels in (0.23, 0.92, 2.07, 3.69, 8.29):
        height = round((megapixels * 1e6 * 9 / 16) ** 0.5 / 2) * 2
        for faces in (1, 20, 100):
            rgb = next(drifting((height * 16 // 9 // 2 * 2, height), faces, 1, copies))
            expected = detector.detect(rgb).boxes
            row = {
                "megapixels": megapixels,
                "faces": len(expected),
                "whole_ms": work_of(lambda rgb=rgb: detector.detect(rgb)),
                "quick_ms": work_of(lambda rgb=rgb, expected=expected: detector.look(rgb, expected)),
            }
            report.append(row)
            print(json.dumps(row), flush=True)
    return report


def work_of(action: Any) -> float:
    """Milliseconds of the processor, the least of five runs."""
    taken = []
    for _ in range(5):
        began = time.process_time()
        action()
        taken.append(1000 * (time.process_time() - began))
    return round(min(taken), 1)


def memory(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Largest memory of the command on a twelfth of the video and on all of it."""
    report = []
    for seconds in (max(60, options.memory // 12), options.memory):
        path = write_video(folder / f"{seconds}.mp4", drifting((320, 180), 3, seconds, faces_of(None, 1)), 1)
        began = time.perf_counter()
        fixed = ["--every", "1", "--detector", "fast", "--threads", "1", "--model", str(options.model)]
        command = [
            sys.executable,
            "-m",
            "fsrfer.cli.main",
            "video",
            str(path),
            "-o",
            str(folder / f"{seconds}"),
            *fixed,
        ]
        # Each run has a process of its own between it and this one, so that its peak is known apart from the others'.
        done = subprocess.run([sys.executable, "-c", PEAK_OF, *command], check=True, stdout=subprocess.PIPE, text=True)
        row = {
            "seconds": seconds,
            "peak_mb": round(int(done.stdout) / 1024, 1),
            "took": round(time.perf_counter() - began, 1),
        }
        report.append(row)
        print(json.dumps(row), flush=True)
    return report


def faces_of(photo: Path | None, threads: int | None) -> list[UInt8Image]:
    """Heads to show: those of a photo's faces of 40 pixels and more, else of the portrait."""
    if photo is None:
        return [np.asarray(Image.open(bundled_portrait()).convert("RGB").crop((100, 40, 420, 440)))]
    rgb = load_rgb(photo)
    heads = []
    for x1, y1, x2, y2 in Detector("default", threads).detect(rgb).boxes.tolist():
        tall = y2 - y1
        left, right = (x1 + x2) / 2 - 0.7 * tall, (x1 + x2) / 2 + 0.7 * tall
        if tall >= 40 and left >= 0 and right <= rgb.shape[1] and y1 >= 0.4 * tall and y2 + 0.35 * tall <= rgb.shape[0]:
            heads.append(rgb[round(y1 - 0.4 * tall) : round(y2 + 0.35 * tall), round(left) : round(right)])
    return heads


def drifting(size: tuple[int, int], faces: int, frames: int, copies: Sequence[UInt8Image]) -> Iterator[UInt8Image]:
    """Heads on a grid, each drifting a little; the last ones enter on the way."""
    width, height = size
    columns = max(1, round((faces * width / height) ** 0.5))
    rows = -(-faces // columns)
    tall = min(height // rows - 6, 160)
    heads = [
        np.asarray(Image.fromarray(one).resize((round(tall * 0.8), tall), Image.Resampling.BICUBIC)) for one in copies
    ]
    for index in range(frames):
        frame = np.full((height, width, 3), 128, np.uint8)
        there = faces - (len(ENTRIES) - sum(index / RATE >= entry for entry in ENTRIES) if faces > len(ENTRIES) else 0)
        for number in range(there):
            copy = heads[number % len(heads)]
            left = (number % columns) * width // columns + (index + number) % 5
            top = (number // columns) * height // rows + (index + 2 * number) % 5
            part = frame[top : top + copy.shape[0], left : left + copy.shape[1]]
            part[:] = copy[: part.shape[0], : part.shape[1]]
        yield frame


def write_video(path: Path, frames: Iterator[UInt8Image], rate: int) -> Path:
    """An H.264 file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "veryfast", "crf": "20"}
        for index, rgb in enumerate(frames):
            if index == 0:
                stream.height, stream.width = rgb.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    run(main)
