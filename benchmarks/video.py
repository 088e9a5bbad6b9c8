"""How many frames a second does ``fsrfer video`` manage, which stage limits it, and does its memory stay constant?

Videos are made on the spot: copies of a portrait drift across a grey ground. For each frame size and number of faces the stages
are first timed one after the other, each alone; then the whole is run with its stages overlapping. The last column is the
whole's speed as a share of the limit that the slowest stage sets.

    python benchmarks/video.py MODEL.onnx [--frames 60] [--detector default]
    python benchmarks/video.py MODEL.onnx --memory 3600     (seconds of video, one frame a second)
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from fsrfer.cli.demo import bundled_portrait
from fsrfer.files import write_text
from fsrfer.images import crop_faces
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.model import ExpressionModel
from fsrfer.types import UInt8Image
from fsrfer.video.reading import open_video
from fsrfer.video.recognizer import VideoRecognizer
from fsrfer.video.tracking import Tracker
from measuring import run

SIZES = ((640, 360), (1920, 1080))
FACES = (1, 20, 100)
RATE = 25

PEAK_OF = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=2)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def main() -> None:
    """Print a line a case."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        report = memory(options, Path(folder)) if options.memory else speed(options, Path(folder))
    if options.json:
        write_text(options.json, json.dumps(report, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="default", metavar="MODEL")
    parser.add_argument("--frames", type=int, default=60, help="in each video (%(default)s)")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--detect-every", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each network (%(default)s)")
    parser.add_argument(
        "--memory", type=int, metavar="SECONDS", help="measure memory on a video of this length instead"
    )
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def speed(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Every size and number of faces."""
    report = []
    print(f"{'video':>10}{'faces':>7}{'found':>7}{'fps':>8}  ms a frame by stage, each alone{'':<40}share of the limit")
    for size in SIZES:
        for faces in FACES:
            path = write_video(folder / "clip.mp4", drifting(size, faces, options.frames), RATE)
            row = {"width": size[0], "height": size[1], "faces": faces, **measure(options, path)}
            report.append(row)
            stages = "  ".join(f"{name} {value:.1f}" for name, value in row["ms_a_frame_alone"].items())
            name = f"{size[0]}x{size[1]}"
            print(
                f"{name:>10}{faces:>7}{row['found']:>7.1f}{row['fps']:>8.1f}  {stages:<72}{row['share']:.0%}",
                flush=True,
            )
    return report


def measure(options: argparse.Namespace, path: Path) -> dict[str, Any]:
    """Stages alone, then the whole."""
    alone = stages_alone(options, path)
    recognizer = VideoRecognizer(options.model, options.detector, options.threads, detect_every=options.detect_every)
    warm_up(recognizer, path)
    began, found, frames = time.perf_counter(), 0, 0
    with open_video(path, options.threads) as clip:
        for result, _ in recognizer.follow(clip):
            frames += 1
            found += len(result.faces)
    fps = frames / (time.perf_counter() - began)
    limit = 1000 / max(alone.values())
    return {
        "found": found / frames,
        "fps": round(fps, 2),
        "ms_a_frame_alone": {name: round(value, 2) for name, value in alone.items()},
        "share": round(fps / limit, 3),
    }


def stages_alone(options: argparse.Namespace, path: Path) -> dict[str, float]:
    """Milliseconds a frame that each stage takes with the machine to itself."""
    detector, model = Detector(options.detector, options.threads), ExpressionModel(options.model, options.threads)
    seconds = dict.fromkeys(("decode", "detect", "follow", "crop", "recognise"), 0.0)
    began = time.perf_counter()
    with open_video(path, options.threads) as clip:
        times = [frame.time for frame in clip.frames()]
    seconds["decode"] = time.perf_counter() - began
    tracker = Tracker()
    with open_video(path, options.threads) as clip:
        for number, frame in enumerate(clip.frames()):
            marks = [time.perf_counter()]
            if number % options.detect_every == 0:
                found = detector.detect(frame.rgb)
            marks.append(time.perf_counter())
            if number % options.detect_every == 0:
                tracker.update(found, frame.time)
            marks.append(time.perf_counter())
            crops = crop_faces(model.prepare(frame.rgb), found.boxes.tolist(), model.info.size, model.info.margin)
            marks.append(time.perf_counter())
            if len(crops):
                model.probabilities(crops)
            marks.append(time.perf_counter())
            for stage, start, end in zip(list(seconds)[1:], marks[:-1], marks[1:], strict=True):
                seconds[stage] += end - start
    return {stage: 1000 * value / len(times) for stage, value in seconds.items()}


def warm_up(recognizer: VideoRecognizer, path: Path) -> None:
    """The first runs of a network take longer."""
    with open_video(path, 1) as clip:
        frames = recognizer.follow(clip)
        next(frames)
        frames.close()


def memory(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Largest memory of the command on a twelfth of the video and on all of it."""
    report = []
    for seconds in (max(60, options.memory // 12), options.memory):
        path = write_video(folder / f"{seconds}.mp4", drifting((320, 180), 3, seconds), 1)
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


def drifting(size: tuple[int, int], faces: int, frames: int) -> Iterator[UInt8Image]:
    """Copies of the portrait on a grid, each drifting a little; 100 of them fit into the smallest frame."""
    width, height = size
    columns = max(1, round((faces * width / height) ** 0.5))
    rows = -(-faces // columns)
    tall = min(height // rows - 6, 160)
    portrait = Image.open(bundled_portrait()).convert("RGB").crop((100, 40, 420, 440))
    copy = np.asarray(portrait.resize((round(tall * 0.8), tall), Image.Resampling.BICUBIC))
    for index in range(frames):
        frame = np.full((height, width, 3), 128, np.uint8)
        for number in range(faces):
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
