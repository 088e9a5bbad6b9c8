"""A run over a live source: the newest frame looked at as often as asked, or as often as the work allows."""

import time
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from math import inf
from statistics import fmean

from fsrfer.video.live import Arrived, GivenUp, LiveSource
from fsrfer.video.live_results import LiveEvent, LiveFrame, LiveLine, LiveWindow, event_of
from fsrfer.video.results import FrameResult
from fsrfer.video.run import Run
from fsrfer.video.settings import VideoSettings
from fsrfer.video.state import TrackingState
from fsrfer.video.summary import VideoSummary
from fsrfer.video.windows import ClosedWindow

GLANCE = 0.2
"""Seconds without news after which whoever watches is given a moment."""

GRACE = 0.5
"""Seconds after the end of a time window in which its last frames may still be looked at."""

RECENT = 10.0
"""Seconds over which the pace is taken."""

BEHIND = 0.2
"""Share of the looks that were due and missed, from which the work does not keep up."""


class Pace:
    """How often frames were looked at of late, how late the answers came, and whether looks were missed."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, int]] = deque()
        self._began: float | None = None
        self.latency = 0.0
        self.frames = self.passed_over = 0

    def add(self, time: float, latency: float, missed: int) -> None:
        """Take one look."""
        self._began = time if self._began is None else self._began
        self.latency = latency
        self.frames += 1
        self.passed_over += missed
        self._looks.append((time, latency, missed))
        while self._looks[0][0] < time - RECENT:
            self._looks.popleft()

    @property
    def per_second(self) -> float:
        """Frames looked at."""
        seconds = self._looks[-1][0] - self._looks[0][0] if self._looks else 0.0
        return (len(self._looks) - 1) / seconds if seconds else 0.0

    @property
    def falls_behind(self) -> bool:
        """Whether the work does not keep up, seen over `RECENT` seconds; not yet in the first ones, when networks warm up."""
        if self._began is None or self._looks[-1][0] - self._began < 2 * RECENT:
            return False
        missed = sum(missed for _, _, missed in self._looks)
        return missed > BEHIND * (missed + len(self._looks))


class LiveSession:
    """One run; use it in a ``with`` block.

    Attributes:
        source: the opened camera or stream.
        pace: of the work.

    Example:
        >>> settings = VideoSettings("rtsp://10.0.0.7/hall", live=True)  # doctest: +SKIP
        >>> with LiveSession(settings) as session:  # doctest: +SKIP
        ...     for lines in session.watch():
        ...         print([line.to_dict() for line in lines])
    """

    def __init__(self, settings: VideoSettings) -> None:
        """Check the settings, open the source, load the networks and lock the output.

        Raises:
            InputError: the source cannot be opened or is not live, or the output cannot be written or is in use.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        settings.check()
        self._settings, self.pace = settings, Pace()
        self.source = LiveSource(settings.source, settings.every, settings.threads, settings.give_up)
        try:
            self._run = Run(settings, self.source)
        except BaseException:
            self.source.close()
            raise
        self._people, self._window_ends = 0, inf
        self._latencies: list[float] = []
        self._missed, self._told_slower = 0, False

    def __enter__(self) -> "LiveSession":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def watch(self) -> Generator[list[LiveLine], None, None]:
        """What there is to say, as soon as it is known, until the source is given up; often nothing, so that one can stop.

        Frames are left out in aggregate-only runs. Time windows are always among the lines.
        """
        while True:
            came = self.source.take(GLANCE)
            if isinstance(came, GivenUp):
                return
            if came is None:
                is_over = self.source.seconds() > self._window_ends + GRACE
                yield self._end_window() if is_over else []
            elif isinstance(came, tuple):
                yield self._look(*came)
            else:
                yield [event_of(self.source.name, time.time(), came)]

    def end(self, stopped: bool) -> list[LiveLine]:
        """The last time window, and why the run ends.

        Args:
            stopped: by the user.
        """
        self.source.close()
        last = self._end_window()
        ending, pace = self.source.ending, self.pace
        facts = {
            "reason": "stopped by the user" if stopped else ending.reason,
            "frames": pace.frames,
            "passed_over": pace.passed_over,
            "lost_seconds": round(ending.holes, 3),
        }
        return [*last, LiveEvent(self.source.name, time.time(), "end", self.source.seconds(), facts)]

    def finish(self, stopped: bool) -> VideoSummary:
        """Write what is left, the summary and the page; see `Run.finish`."""
        self.source.close()
        return self._run.finish(stopped)

    def close(self) -> None:
        """Let the source and the output go."""
        self.source.close()
        self._run.close()

    def _look(self, frame: Arrived, missed: int) -> list[LiveLine]:
        recognizer = self._run.recognizer
        with recognizer.watch.measure("convert"):
            rgb = frame.rgb()
        result = recognizer.update(rgb, frame.time)
        late = max(0.0, time.monotonic() - frame.arrived)
        at = time.time() - late
        missed = missed if self.pace.frames else 0  # until the networks were loaded, none was due
        recognizer.dropped += missed
        self.pace.add(frame.time, late, missed)
        lines = self._record(replace(result, rgb=rgb) if self._shows_pictures else result)
        self._latencies.append(late)
        self._missed += missed
        if not self._settings.aggregate_only:
            lines.append(LiveFrame(self.source.name, at, result, late, missed))
        return lines + self._slower(at, frame.time)

    def _slower(self, at: float, seconds: float) -> list[LiveLine]:
        """Said once, when the work does not keep up."""
        if self._told_slower or not self.pace.falls_behind:
            return []
        self._told_slower = True
        facts = {"frames_per_second": round(self.pace.per_second, 2), "every": self._settings.every}
        return [LiveEvent(self.source.name, at, "slower", seconds, facts)]

    @property
    def _shows_pictures(self) -> bool:
        return self._settings.shows_frames and not self._settings.blur

    def _record(self, result: FrameResult) -> list[LiveLine]:
        """Take a frame into its time window; returns the one before, where this frame ended it."""
        self._people = max([self._people, *(tracked.track for tracked in result.faces)])
        window = self._settings.window
        self._window_ends = (result.time // window + 1) * window
        return self._line_of(self._run.add(result, TrackingState(started=self._people)))

    def _end_window(self) -> list[LiveLine]:
        self._window_ends = inf
        return self._line_of(self._run.end_window())

    def _line_of(self, closed: ClosedWindow | None) -> list[LiveLine]:
        if closed is None:
            return []
        line = LiveWindow(self.source.name, time.time(), closed, fmean(self._latencies), self._missed)
        self._latencies, self._missed = [], 0
        return [line]
