"""How far a command is, on stderr."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from fsrfer.video.reading import Clip
from fsrfer.video.results import FrameResult

if TYPE_CHECKING:
    from fsrfer.scoring import Progress as Scored

T = TypeVar("T")

LINES_EVERY = 10.0
"""Seconds between two lines on a video or archive where stderr is not a terminal."""


def with_progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The same items, with a bar on stderr if it is watched and the results scroll by elsewhere."""
    if total < 2 or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, total, console=Console(stderr=True), transient=True)


def with_time(results: Iterator[FrameResult], clip: Clip, start: float) -> Iterator[FrameResult]:
    """The same results, with how far they are and the time left on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    if not sys.stderr.isatty():
        yield from _with_lines(results, clip, start)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(clip.name, total=clip.duration and clip.duration - start, at="")
        for result in results:
            bar.update(task, completed=result.time - start, at=_clock(result.time))
            yield result


def _with_lines(results: Iterable[FrameResult], clip: Clip, start: float) -> Iterator[FrameResult]:
    began = printed = time.perf_counter()
    for count, result in enumerate(results, 1):
        yield result
        now = time.perf_counter()
        if now - printed < LINES_EVERY:
            continue
        printed = now
        done = result.time - start
        left = (now - began) / done * (clip.duration - result.time) if clip.duration and done > 0 else None
        of, remains = (f" of {_clock(clip.duration)}", f", {_clock(left)} left") if clip.duration and left else ("", "")
        line = f"fsrfer: {_clock(result.time)}{of}, {count / (now - began):.1f} frames/s{remains}"
        print(line, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def scoring_progress() -> "Iterator[Callable[[Scored], None]]":
    """Within the block what is called with how far a run is, to show it on stderr."""
    if not sys.stderr.isatty():
        yield _scored_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    texts = (TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[left]}"))
    with Progress(
        TextColumn("photos"), BarColumn(), MofNCompleteColumn(), *texts, console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("photos", total=None, rate="", left="")

        def show(scored: "Scored") -> None:
            left = "" if scored.seconds_left is None else f"{_clock(scored.seconds_left)} left"
            bar.update(task, completed=scored.photos, total=scored.of, rate=f"{scored.rate:.1f}/s", left=left)

        yield show


def _scored_lines() -> "Callable[[Scored], None]":
    printed = time.perf_counter()

    def show(scored: "Scored") -> None:
        nonlocal printed
        now = time.perf_counter()
        if now - printed < LINES_EVERY or scored.photos == scored.before:
            return
        printed = now
        left = "" if scored.seconds_left is None else f", {_clock(scored.seconds_left)} left"
        line = f"fsrfer: {scored.photos:,} of {scored.of:,} photos, {scored.rate:.1f} photos/s{left}"
        print(line, file=sys.stderr, flush=True)

    return show
