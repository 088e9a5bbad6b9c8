"""How many photos a second ``fsrfer score`` looks at, against plain processes that share the same photos.

    python benchmarks/scoring.py photos/ --workers 2

A plain process is ``fsrfer predict --threads 1`` on every N-th photo. Both are timed from start to end, one after the other,
round after round, so that a slow minute meets both; a ratio is the median of the ratios within each round. Processor seconds
are told besides, which other work on the machine changes least. ``--scale`` times ``fsrfer score`` with 1, 2, ... workers
instead.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fsrfer.files import write_text
from fsrfer.folders import walk
from fsrfer.images import picture_suffixes
from measuring import processor, run

QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Measure, print, and save what was asked for."""
    options = arguments()
    photos = [str(path) for path in walk(options.photos, picture_suffixes()).files]
    with tempfile.TemporaryDirectory(prefix="fsrfer-benchmark-") as folder:
        place = Path(folder)
        rounds = scaling(options, place) if options.scale else against_plain(options, photos, place)
    print(f"{len(photos)} photos, {processor()}")
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        print(f"{name}: {statistics.median(values):.3g} (of {', '.join(f'{value:.3g}' for value in values)})")
    if options.json:
        content = {"command": sys.argv, "photos": len(photos), "processor": processor(), "rounds": rounds}
        write_text(options.json, json.dumps(content, indent=2) + "\n")


def against_plain(options: argparse.Namespace, photos: list[str], place: Path) -> list[dict[str, float]]:
    """Photos a second and processor seconds a photo of both, and the ratios of score's throughput, in each round."""
    rounds = []
    for _ in range(options.repeat):
        plain, plain_work = both_clocks(partial(plain_processes, options, photos, place))
        scored, scored_work = both_clocks(partial(scoring, options, place, options.workers))
        rounds.append(
            {
                "plain, photos/s": len(photos) / plain,
                "score, photos/s": len(photos) / scored,
                "ratio by the clock": plain / scored,
                "plain, processor s/photo": plain_work / len(photos),
                "score, processor s/photo": scored_work / len(photos),
                "ratio by processor seconds": plain_work / scored_work,
            }
        )
        print(rounds[-1], flush=True)
    return rounds


def both_clocks(action: Callable[[], float]) -> tuple[float, float]:
    """Seconds that an action tells, and processor seconds of the processes that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scaling(options: argparse.Namespace, place: Path) -> list[dict[str, float]]:
    """Seconds of ``fsrfer score`` with each number of workers, in each round."""
    counts = range(1, options.workers + 1)
    return [
        {f"{count} workers, seconds": scoring(options, place, count) for count in counts} for _ in range(options.repeat)
    ]


def plain_processes(options: argparse.Namespace, photos: list[str], place: Path) -> float:
    """Seconds that so many plain processes take, until the last has ended."""
    began = time.perf_counter()
    running = []
    for number in range(options.workers):
        line = [*fsrfer("predict"), *photos[number :: options.workers], "--threads", "1", *choices(options)]
        line += ["-o", str(place / f"plain-{number}.csv")]
        running.append(subprocess.Popen(line, env=QUIET, stderr=subprocess.DEVNULL))
    for process in running:
        process.wait()
    return time.perf_counter() - began


def scoring(options: argparse.Namespace, place: Path, workers: int) -> float:
    """Seconds that ``fsrfer score`` takes."""
    output = place / "scored"
    shutil.rmtree(output, ignore_errors=True)
    line = [*fsrfer("score"), str(options.photos), "-o", str(output), "--workers", str(workers), *choices(options)]
    began = time.perf_counter()
    subprocess.run(line, env=QUIET, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def fsrfer(command: str) -> list[str]:
    """A command of this interpreter's package."""
    return [sys.executable, "-m", "fsrfer.cli.main", command]


def choices(options: argparse.Namespace) -> list[str]:
    """What both do alike."""
    return ["--model", options.model, "--detector", options.detector]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder")
    parser.add_argument("--workers", type=int, default=2, help="processes of both (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--model", default="default")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--scale", action="store_true", help="time 1, 2, ... workers instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
