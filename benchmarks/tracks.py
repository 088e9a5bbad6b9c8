"""Does following a face help? The track's answer against its single frames, and how well numbers stay with their faces.

Answers: each kept-out face becomes a short sequence, turned and shifted a little, its size wandering between 8 and 32 px, with
changing light and noise, so that its frames differ as a video's do. Every frame is recognised alone; then they are pooled:

    frame      a single frame, on average
    largest    the frame in which the face is largest
    vote       the most frequent answer
    mean       mean of the probabilities
    fsrfer     what `fsrfer video` does: logarithmic pool, weighted by size and certainty
    running    the same as told at the last frame, the past fading
    balanced   as running, where a face is recognised only when it is due (``--quality balanced``); so ``fast``
    answers    how often a face was recognised in them

Numbers: faces wander across a frame of 1920 x 1080, are missed at times and found a little off; counted are the changes of
number within a face's life, and the share of its sightings that carry its most frequent number.

    python benchmarks/tracks.py MODEL.onnx --data ferplus=DIR
    python benchmarks/tracks.py --numbers-only [--rival]
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsrfer.data import readers
from fsrfer.files import write_text
from fsrfer.images import resize
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.recognition.model import ExpressionModel
from fsrfer.types import Detections, UInt8Image
from fsrfer.video.pooling import Pool, Smoother
from fsrfer.video.quality import QUALITIES
from fsrfer.video.rationing import LastAnswer, Ration
from fsrfer.video.searching import Moment
from fsrfer.video.tracking import Tracker
from measuring import run

STEP = 0.2
"""Seconds between two frames."""

SMALLEST, LARGEST = 8.0, 32.0

RULE = CertaintyRule(certain_from=0.0)
"""Nothing here asks what is certain."""

RATIONED = ("balanced", "fast")

STARTS = 9
"""Times at which a track begins, as turns go by the clock: a rationed answer is the mean of so many runs."""

Answer = Callable[[NDArray[np.float32], NDArray[np.float64]], NDArray[np.floating]]
"""From a sequence's probabilities (frames x 7) and face heights to the track's seven figures."""


def main() -> None:
    """Print both comparisons."""
    options = parse()
    report: dict[str, Any] = {"numbers": numbers(options)}
    for name, row in report["numbers"].items():
        print(name, json.dumps(row))
    if not options.numbers_only:
        report["answers"] = answers(options)
        print(json.dumps(report["answers"], indent=1))
    if options.json:
        write_text(options.json, json.dumps(report, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="default", metavar="MODEL")
    parser.add_argument("--data", metavar="NAME=PATH")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--tracks", type=int, default=300, help="sequences (%(default)s)")
    parser.add_argument("--frames", type=int, default=12, help="in each (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--numbers-only", action="store_true")
    parser.add_argument("--rival", action="store_true", help="ByteTrack of the package 'trackers' too, if installed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.numbers_only and options.data is None:
        parser.error("--data NAME=PATH is needed for the answers; or ask for --numbers-only")
    return options


def answers(options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy and negative log-likelihood of each way to answer for a track."""
    ((name, path),) = readers.parse_sources([options.data]).items()
    dataset, model = readers.read(name, path, options.split), ExpressionModel(options.model, options.threads)
    rng = np.random.default_rng(options.seed)
    chosen = rng.choice(len(dataset), min(options.tracks, len(dataset)), replace=False)
    right: dict[str, list[float]] = {}
    loss: dict[str, list[float]] = {}
    answers: dict[str, float] = {}
    starts = np.linspace(0, 10, STARTS, endpoint=False).tolist()
    for index in chosen:
        face, label = model.prepare(dataset.load(int(index))), int(dataset.labels[index])
        heights = wander(rng, options.frames)
        crops = np.stack([resize(seen(face, height, rng), (model.info.size,) * 2) for height in heights])
        views = [model.answers(view, mirror=False).probabilities for view in (crops, crops[:, :, ::-1])]
        rows = np.asarray((views[0] + views[1]) / 2 if model.info.flip else views[0], np.float32)
        note(right, loss, "frame", rows, label)
        for way, answer in WAYS.items():
            note(right, loss, way, answer(rows, heights)[None], label)
        for quality in RATIONED:
            runs = [rationed(quality, model, views, heights, start) for start in starts]
            note(right, loss, quality, np.stack([told for told, _ in runs]), label)
            answers[quality] = answers.get(quality, 0) + sum(times for _, times in runs) / len(runs)
    return {
        way: {
            "accuracy": round(float(np.mean(right[way])), 4),
            "log_loss": round(float(np.mean(loss[way])), 4),
            "answers": round(answers.get(way, options.frames * len(chosen)) / len(chosen), 2),
        }
        for way in right
    }


def note(
    right: dict[str, list[float]], loss: dict[str, list[float]], way: str, rows: NDArray[np.floating], label: int
) -> None:
    """Add one track's mean figures."""
    right.setdefault(way, []).append(float((rows.argmax(axis=1) == label).mean()))
    loss.setdefault(way, []).append(float(-np.log(rows[:, label].clip(1e-6)).mean()))


def wander(rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    """Heights of a face that comes nearer or goes away."""
    first, last = np.log(rng.uniform(SMALLEST, LARGEST, 2))
    path = np.linspace(first, last, frames) + rng.normal(0, 0.05, frames)
    return np.asarray(np.exp(path).clip(SMALLEST, LARGEST))


def seen(face: UInt8Image, height: float, rng: np.random.Generator) -> UInt8Image:
    """One frame's crop of a face: turned, shifted, lit and shrunk, with noise."""
    side = face.shape[0]
    turned = Image.fromarray(face).rotate(rng.normal(0, 4), Image.Resampling.BICUBIC)
    shift = tuple(rng.normal(0, 0.03 * side, 2))
    moved = turned.transform(
        turned.size, Image.Transform.AFFINE, (1, 0, shift[0], 0, 1, shift[1]), Image.Resampling.BICUBIC
    )
    small = np.asarray(moved.resize((round(height),) * 2, Image.Resampling.BICUBIC), np.float64)
    lit = 255 * (small / 255).clip(0, 1) ** np.exp(rng.normal(0, 0.15)) + rng.normal(0, 6, small.shape)
    return np.asarray(lit.clip(0, 255).round(), np.uint8)


def pooled(rows: NDArray[np.float32], heights: NDArray[np.float64]) -> NDArray[np.floating]:
    """The whole track's answer."""
    pool = Pool.empty()
    for row, height in zip(rows, heights, strict=True):
        pool = pool.add(RULE.judge(row, float(height)), 0.0)
    return pool.probabilities


def running(rows: NDArray[np.float32], heights: NDArray[np.float64]) -> NDArray[np.floating]:
    """The answer told at the last frame."""
    smoother = Smoother()
    for index, (row, height) in enumerate(zip(rows, heights, strict=True)):
        answer = smoother.add(1, RULE.judge(row, float(height)), index * STEP)
    return answer.probabilities


def rationed(
    quality: str,
    model: ExpressionModel,
    views: Sequence[NDArray[np.float32]],
    heights: NDArray[np.float64],
    start: float,
) -> tuple[NDArray[np.floating], int]:
    """The answer told at the last frame where a face is recognised only when it is due, and how often that was."""
    ration, smoother = Ration(QUALITIES[quality], model.info.gflop), Smoother()
    rule, times = CertaintyRule.of_model(model.info), 0
    for index, height in enumerate(heights.tolist()):
        moment = Moment(start + index * STEP, STEP if index else 0.0)
        found = Detections(np.array([[0, 0, height, height]], np.float32), np.ones(1, np.float32))
        if ration.due([1], found, moment, (1080, 1920), seen=True).any():
            mirrored = model.info.flip and times % 2 == 1
            answer = RULE.judge(views[mirrored][index], height)
            pool = smoother.add(1, answer, moment.time)
            certain = rule.judge(pool.probabilities, height).certain
            ration.last[1] = LastAnswer(moment.time, answer, None, certain, mirrored)
            times += 1
    return smoother.pools[1].probabilities, times


def vote(rows: NDArray[np.float32], _heights: NDArray[np.float64]) -> NDArray[np.floating]:
    """Share of the frames that say each class; ties go to the larger mean."""
    return np.asarray(np.eye(7)[rows.argmax(axis=1)].mean(axis=0) + 1e-3 * rows.mean(axis=0))


WAYS: dict[str, Answer] = {
    "largest": lambda rows, heights: rows[int(heights.argmax())],
    "vote": vote,
    "mean": lambda rows, _: rows.mean(axis=0),
    "fsrfer": pooled,
    "running": running,
}


def numbers(options: argparse.Namespace) -> dict[str, Any]:
    """How well numbers stay with their faces, for thin and dense crowds of small and large faces."""
    report: dict[str, Any] = {}
    for faces, height in ((20, 40.0), (100, 24.0), (300, 10.0)):
        frames = list(crowd(faces, height, 60, np.random.default_rng(options.seed)))
        report[f"{faces} faces of {height:g} px"] = follow(frames, ours())
        if options.rival:
            report[f"{faces} faces of {height:g} px, trackers' ByteTrack"] = follow(frames, rival())
    return report


def crowd(
    faces: int, height: float, frames: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], Detections]]:
    """True faces and their detections, frame by frame; a tenth is missed, the others are a twentieth off."""
    places = rng.uniform((0, 0), (1920, 1080), (faces, 2))
    speed = rng.normal(0, 0.8 * height, (faces, 2))
    for _ in range(frames):
        speed += rng.normal(0, 0.15 * height, speed.shape)
        places = places + speed * STEP
        speed = np.where((places < 0) | (places > (1920, 1080)), -speed, speed)
        found = np.flatnonzero(rng.random(faces) > 0.1)
        centre = places[found] + rng.normal(0, 0.05 * height, (len(found), 2))
        half = height / 2 * np.exp(rng.normal(0, 0.05, (len(found), 1))) * (0.8, 1.0)
        boxes = np.hstack([centre - half, centre + half]).astype(np.float32)
        yield found, Detections(boxes, rng.uniform(0.6, 0.95, len(found)).astype(np.float32))


def ours() -> Callable[[Detections, float], list[int]]:
    """The package's tracker."""
    return Tracker().update


def rival() -> Callable[[Detections, float], list[int]]:
    """ByteTrack of the package ``trackers``, set for this frame rate."""
    import supervision
    from trackers import ByteTrackTracker  # type: ignore[import-not-found]  # it brings another OpenCV than ours

    tracker = ByteTrackTracker(frame_rate=1 / STEP, lost_track_buffer=8, minimum_consecutive_frames=1)

    def update(found: Detections, _time: float) -> list[int]:
        given = supervision.Detections(xyxy=found.boxes, confidence=found.scores, data={"row": np.arange(len(found))})
        tracked = tracker.update(given)
        numbers = dict(zip(tracked["row"].tolist(), tracked.tracker_id.tolist(), strict=True))
        return [numbers.get(row, -1) for row in range(len(found))]

    return update


def follow(
    frames: list[tuple[NDArray[np.int64], Detections]], update: Callable[[Detections, float], list[int]]
) -> dict[str, float]:
    """Changes of number a face, share of sightings under the face's most frequent number, and time a frame."""
    lives: dict[int, list[int]] = {}
    began = time.perf_counter()
    for index, (faces, found) in enumerate(frames):
        for face, number in zip(faces.tolist(), update(found, index * STEP), strict=True):
            lives.setdefault(face, []).append(number)
    seconds = time.perf_counter() - began
    changes = [sum(one != other for one, other in pairwise(life)) for life in lives.values()]
    kept = [Counter(life).most_common(1)[0][1] / len(life) for life in lives.values()]
    return {
        "changes_a_face": round(float(np.mean(changes)), 3),
        "under_one_number": round(float(np.mean(kept)), 4),
        "ms_a_frame": round(1000 * seconds / len(frames), 2),
    }


if __name__ == "__main__":
    run(main)
