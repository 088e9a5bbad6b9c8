"""``fsrfer video``: who shows what in a video, over time, and how sure that is."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from fsrfer.cli.options import add_model_arguments, complain, non_negative, positive
from fsrfer.errors import FsrferError, InputError
from fsrfer.files import write_text
from fsrfer.output.tables import FORMATS
from fsrfer.photo.recognizer import MIN_FACE
from fsrfer.recognition.detection import PRESETS
from fsrfer.version import __version__

if TYPE_CHECKING:
    from fsrfer.group.estimate import GroupEstimate
    from fsrfer.video.reading import Clip
    from fsrfer.video.recognizer import CrowdRecognizer, Moment
    from fsrfer.video.recorder import Plan, Progress, Recorder

EVERY = 0.2
"""Seconds between two sampled frames unless the user says otherwise."""

WINDOW = 5.0
MIN_GROUP = 5

LINES_EVERY = 10.0
"""Seconds between two lines of progress where stderr is not a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer video``."""
    parser.add_argument(
        "source", metavar="SOURCE", help="a video file, a camera's number, an rtsp:// or http:// stream"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder for faces.*, group.*, summary.json and report.html"
    )
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument(
        "--every", type=non_negative, metavar="SECONDS", help=f"look this often ({EVERY:g}; 0: at every frame)"
    )
    sampling.add_argument("--fps", type=_rate, metavar="N", help="or this many times a second")
    parser.add_argument(
        "--annotate", type=Path, metavar="FILE.mp4", help="write the video with the results drawn on it"
    )
    parser.add_argument("--blur", action="store_true", help="pixelate every face in the annotated video")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of the tables (%(default)s)")
    parser.add_argument(
        "--window", type=_duration, default=WINDOW, metavar="SECONDS", help="length of a row of group.* (%(default)g)"
    )
    parser.add_argument(
        "--aggregate-only", action="store_true", help="write nothing of single faces, and of no group below --min-group"
    )
    parser.add_argument(
        "--min-group", type=positive, default=MIN_GROUP, metavar="K", help="smallest group told of (%(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument(
        "--detector", default="default", metavar=f"{'|'.join(PRESETS)}|FILE.onnx", help="as for predict (%(default)s)"
    )
    parser.add_argument(
        "--detect-every",
        type=positive,
        default=1,
        metavar="N",
        help="search for faces in every N-th frame looked at, foresee them between (%(default)s)",
    )
    parser.add_argument(
        "--min-face",
        type=non_negative,
        default=MIN_FACE,
        metavar="PX",
        help="lower faces are not counted (%(default)g)",
    )
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Watch the video; 0 if it was read to its end, 2 if it was damaged, 130 if stopped by Ctrl-C."""
    from fsrfer.video.reading import open_video
    from fsrfer.video.recognizer import CrowdRecognizer
    from fsrfer.video.recorder import Recorder

    _check(options)
    every = 1 / options.fps if options.fps else EVERY if options.every is None else options.every
    with open_video(options.source, options.threads) as clip:
        recognizer = CrowdRecognizer(
            options.model, options.detector, options.threads, options.min_face, options.detect_every
        )
        identity = _identity(options, clip, every, recognizer.model.sha256)
        progress = _progress(options, clip, identity)
        plan = _plan(options)
        recorder = Recorder(
            plan, recognizer.model.info, identity, options.output, options.annotate, options.blur, progress
        )
        start = progress.next_window * options.window if progress else 0.0
        memory = progress.memory if progress else None
        moments = recognizer.moments(clip, every, start, memory, pictures=options.annotate is not None)
        began = time.perf_counter()
        with _gentle_stop() as stop, closing(moments):
            for moment in _with_progress(moments, clip, start):
                recorder.add(moment)
                if stop.is_set():
                    break
        interrupted = stop.is_set()
        group = recorder.close(complete=not interrupted)
        stopped = "stopped by the user" if interrupted else clip.ending.reason
        figures = _figures(recognizer, time.perf_counter() - began)
        summary = {**_describe(identity, clip, stopped), **_results(recorder, group, plan), "work": figures}
    if options.output is not None and recorder.groups is not None:
        from fsrfer.output.page import report_of_clip

        write_text(options.output / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
        told = group if summary["group"] else None
        write_text(options.output / "report.html", report_of_clip(summary, told, recorder.groups.rows()).to_html())
    _print(summary)
    if interrupted:
        complain("stopped; what was done is kept" + ("" if clip.live else ", and --resume goes on from there"))
        return 130
    if stopped or clip.ending.damaged:
        complain(f"{clip.name}: {stopped or f'{clip.ending.damaged} damaged parts were passed over'}")
    return 2 if stopped else 0


@contextmanager
def _gentle_stop() -> Iterator[Event]:
    """Within the block Ctrl-C only sets the event, so that no frame is written by half; a second one ends at once."""
    stop = Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def handle(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in signals:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number in signals:
            signal.signal(number, before[number])


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other, before any work.

    Raises:
        FsrferError: they do.
    """
    if options.aggregate_only and options.annotate:
        raise FsrferError("--aggregate-only writes no pictures; leave out --annotate")
    if options.blur and not options.annotate:
        raise FsrferError("--blur pixelates the faces of the annotated video; name it with --annotate FILE.mp4")
    if options.resume and options.output is None:
        raise FsrferError("--resume needs the folder of the stopped run: -o DIR")
    if options.annotate and options.annotate.suffix.lower() != ".mp4":
        raise FsrferError(f"--annotate {options.annotate}: the video's name must end in .mp4")
    if options.annotate and options.annotate.resolve() == Path(options.source).resolve():
        raise FsrferError(f"--annotate {options.annotate}: this would overwrite the source; choose another name")


def _identity(options: argparse.Namespace, clip: "Clip", every: float, sha256: str) -> dict[str, Any]:
    """What a run must have in common with the one it goes on with."""
    size = None if clip.live else Path(options.source).stat().st_size
    return {
        "source": clip.name,
        "bytes": size,
        "model_sha256": sha256,
        "every": every,
        "window": options.window,
        "format": options.format,
        "detector": str(options.detector),
        "detect_every": options.detect_every,
        "min_face": options.min_face,
        "min_group": options.min_group if options.aggregate_only else None,
        "annotate": options.annotate and str(options.annotate),
        "blur": options.blur,
    }


def _progress(options: argparse.Namespace, clip: "Clip", identity: Mapping[str, Any]) -> "Progress | None":
    from fsrfer.video.recorder import Progress, unfinished

    if options.resume:
        if clip.live:
            raise InputError(f"{clip.name}: a live source cannot be gone on with; start without --resume")
        return Progress.load(options.output, identity)
    if options.output is not None and unfinished(options.output) and not clip.live:
        raise InputError(
            f"{options.output}: holds a run that was stopped; go on with --resume, or choose another folder"
        )
    return None


def _plan(options: argparse.Namespace) -> "Plan":
    from fsrfer.video.recorder import Plan

    return Plan(
        window=options.window,
        table=options.format,
        min_face=options.min_face,
        min_group=options.min_group if options.aggregate_only else 0,
        aggregate_only=options.aggregate_only,
    )


def _describe(identity: Mapping[str, Any], clip: "Clip", stopped: str | None) -> dict[str, Any]:
    return {
        "fsrfer": __version__,
        **identity,
        "duration": clip.duration and round(clip.duration, 3),
        "read_to": round(clip.ending.read_to, 3),
        "complete": stopped is None,
        "stopped": stopped,
        "damaged_parts": clip.ending.damaged,
    }


def _results(recorder: "Recorder", group: "GroupEstimate", plan: "Plan") -> dict[str, Any]:
    from fsrfer.group.estimate import size_labels

    totals = recorder.totals
    sizes = dict(zip(size_labels(), totals.faces.sizes.tolist(), strict=True))
    return {
        "frames": totals.frames,
        "tracks": recorder.people(),
        "windows": totals.windows,
        "windows_withheld": totals.withheld,
        "sightings": totals.sightings,
        "group": None if totals.faces.counted < plan.min_group else group.to_dict(),
        "sizes_px": {name: count if count >= plan.min_group else None for name, count in sizes.items()},
    }


def _figures(recognizer: "CrowdRecognizer", seconds: float) -> dict[str, Any]:
    stages = {name: round(value, 2) for name, value in recognizer.watch.seconds.items()}
    return {"seconds": round(seconds, 2), "seconds_by_stage": stages, "frames_dropped": recognizer.dropped}


def _print(summary: Mapping[str, Any]) -> None:
    """The clip in a few lines on the terminal."""
    faces = "1 face" if summary["tracks"] == 1 else f"{summary['tracks']} faces"
    print(f"{summary['source']}: {summary['frames']} frames looked at, {faces} followed")
    group = summary["group"]
    if group is None:
        print(f"  fewer than {summary['min_group']} faces: nothing is told of them")
    elif not group["shares"]:
        print("  no faces large enough to tell" if group["faces"] else "  no faces found")
    else:
        ranked = sorted(group["shares"].items(), key=lambda item: -item[1]["value"])
        for name, share in ranked:
            print(f"  {name:<10} {share['value']:>5.0%}   {share['low']:.0%} to {share['high']:.0%}")
        how = "corrected for the model's known confusion" if group["corrected"] else "not corrected for confusion"
        print(f"  95% intervals; {how}")


def _with_progress(moments: Iterator["Moment"], clip: "Clip", start: float) -> Iterator["Moment"]:
    """The same moments, with how far they are and the time left on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    if not sys.stderr.isatty():
        yield from _with_lines(moments, clip, start)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(clip.name, total=clip.duration and clip.duration - start, at="")
        for moment in moments:
            bar.update(task, completed=moment.time - start, at=_clock(moment.time))
            yield moment


def _with_lines(moments: Iterable["Moment"], clip: "Clip", start: float) -> Iterator["Moment"]:
    began = told = time.perf_counter()
    for count, moment in enumerate(moments, 1):
        yield moment
        now = time.perf_counter()
        if now - told < LINES_EVERY:
            continue
        told = now
        done = moment.time - start
        left = (now - began) / done * (clip.duration - moment.time) if clip.duration and done > 0 else None
        of, remains = (f" of {_clock(clip.duration)}", f", {_clock(left)} left") if clip.duration and left else ("", "")
        line = f"fsrfer: {_clock(moment.time)}{of}, {count / (now - began):.1f} frames/s{remains}"
        print(line, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _rate(text: str) -> float:
    value = non_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return value


def _duration(text: str) -> float:
    value = non_negative(text)
    if value < 0.1:
        raise argparse.ArgumentTypeError("must be at least 0.1 seconds")
    return value
