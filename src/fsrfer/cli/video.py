"""``fsrfer video``: who shows what in a video, over time, and how certain that is."""

import argparse
import sys
from contextlib import closing

from fsrfer.cli.live import watch
from fsrfer.cli.options import (
    add_detector_arguments,
    add_min_group_argument,
    add_model_arguments,
    complain,
    non_negative,
    path,
    positive,
)
from fsrfer.cli.progress import with_time
from fsrfer.cli.stopping import gentle_stop
from fsrfer.group.estimate import LEAST_PEOPLE
from fsrfer.output.tables import FORMATS
from fsrfer.output.terminal import interval
from fsrfer.video.quality import DEFAULT, QUALITIES
from fsrfer.video.session import VideoSession
from fsrfer.video.settings import EVERY, WINDOW, VideoSettings
from fsrfer.video.summary import VideoSummary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer video``."""
    parser.add_argument(
        "source", metavar="SOURCE", help="a video file, a camera's number, an rtsp:// or http:// stream"
    )
    parser.add_argument(
        "-o", "--output", type=path, metavar="DIR", help="folder for faces.*, group.*, summary.json and report.html"
    )
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument(
        "--every", type=non_negative, metavar="SECONDS", help=f"look this often ({EVERY:g}; 0: at every frame)"
    )
    sampling.add_argument("--fps", type=_rate, metavar="N", help="or this many times a second")
    parser.add_argument(
        "--annotate", type=path, metavar="FILE.mp4", help="write the video with the results drawn on it"
    )
    parser.add_argument(
        "--blur", action="store_true", help="pixelate every face in the annotated video, show none in the page"
    )
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of the tables (%(default)s)")
    parser.add_argument(
        "--window", type=_duration, default=WINDOW, metavar="SECONDS", help="length of a row of group.* (%(default)g)"
    )
    parser.add_argument(
        "--aggregate-only", action="store_true", help="write nothing of single faces, and of no group below --min-group"
    )
    add_min_group_argument(parser)
    parser.add_argument(
        "--live", action="store_true", help="a camera or stream: its newest frame, as JSON lines or a panel on stdout"
    )
    parser.add_argument(
        "--give-up",
        type=_duration,
        metavar="SECONDS",
        help="with --live: end once the source is lost for so long (never)",
    )
    parser.add_argument("--resume", action="store_true", help="resume a run that was stopped")
    parser.add_argument("--overwrite", action="store_true", help="replace finished or stopped results in the folder")
    add_detector_arguments(parser)
    parser.add_argument(
        "--quality",
        choices=list(QUALITIES),
        default=DEFAULT,
        help="best searches every frame whole and recognises every face in it, the others when it is worth it (%(default)s)",
    )
    parser.add_argument(
        "--detect-every",
        type=positive,
        default=1,
        metavar="N",
        help="search for faces in every N-th frame looked at alone, predict them between (%(default)s)",
    )
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Watch the video; 0 if it was read to its end, 2 if it was damaged, 128 and the signal's number if stopped by one."""
    settings = _settings(options)
    return _watch_live(settings) if settings.live else _watch(settings)


def _watch_live(settings: VideoSettings) -> int:
    summary, code = watch(settings)
    if sys.stdout is not None and sys.stdout.isatty():
        _print(summary)
    return code


def _watch(settings: VideoSettings) -> int:
    with VideoSession(settings) as session:
        with gentle_stop() as signals, closing(session.results()) as results:
            for _ in with_time(results, session.clip, session.start):
                if signals:
                    break
        summary = session.finish(stopped=bool(signals))
        clip = session.clip
    _print(summary)
    for remark in clip.ending.remarks:
        complain(f"{clip.name}: {remark}")
    if dropped := summary.work.frames_dropped:
        complain(f"{clip.name}: {dropped} frames were passed over because the work could not keep up")
    if signals:
        complain("stopped; what was done is kept" + ("" if clip.live else ", and --resume resumes it"))
        return 128 + signals[0]
    for loss in clip.ending.losses:
        complain(f"{clip.name}: {loss}")
    return 2 if clip.ending.losses else 0


def _settings(options: argparse.Namespace) -> VideoSettings:
    return VideoSettings(
        source=options.source,
        output=options.output,
        every=1 / options.fps if options.fps else EVERY if options.every is None else options.every,
        window=options.window,
        table=options.format,
        annotate=options.annotate,
        blur=options.blur,
        aggregate_only=options.aggregate_only,
        min_group=options.min_group,
        resume=options.resume,
        overwrite=options.overwrite,
        model=options.model,
        detector=options.detector,
        threads=options.threads,
        device=options.device,
        min_face=options.min_face,
        detect_every=options.detect_every,
        quality=options.quality,
        live=options.live,
        give_up=options.give_up,
    )


def _print(summary: VideoSummary) -> None:
    """The clip in a few lines on the terminal."""
    faces = "1 face" if summary.tracks == 1 else f"{summary.tracks} faces"
    print(f"{summary.run.source}: {summary.frames} frames looked at, {faces} followed")
    estimate = summary.estimate
    if estimate is None:
        print(f"  fewer than {summary.run.min_group} faces: nothing is reported of them")
    elif not estimate.shares:
        print("  no faces large enough to count" if estimate.faces else "  no faces found")
    elif summary.faces is not None:
        for face in summary.faces:
            remark = "too small" if face.too_small else "" if face.answer.certain else "uncertain"
            print(
                f"  face {face.track:<4} {face.answer.expression:<10} {face.answer.probability:>5.0%}   {remark}".rstrip()
            )
        print(f"  fewer than {LEAST_PEOPLE} faces: each one's answer, no shares of a group")
    else:
        for name, share in sorted(estimate.shares.items(), key=lambda item: -item[1].value):
            print(f"  {name:<10} {share.value:>5.0%}   {interval(share)}".rstrip())
        how = "corrected for the model's known confusion" if estimate.corrected else "not corrected for confusion"
        print(f"  {'95% intervals' if estimate.has_intervals else 'too few faces for intervals'}; {how}")


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
