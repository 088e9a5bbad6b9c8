"""``fsrfer video --live``: a camera or stream as it goes on, as lines of JSON or as a panel."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from time import monotonic
from typing import Protocol

from fsrfer.cli.options import complain
from fsrfer.cli.stopping import gentle_stop
from fsrfer.output.charts import clock
from fsrfer.output.live_panel import LivePanel, Watching
from fsrfer.output.sinks import Line, Sink, open_line_sink
from fsrfer.video.live_results import LiveEvent, LiveFrame, LiveLine, LiveWindow
from fsrfer.video.live_session import LiveSession
from fsrfer.video.settings import VideoSettings
from fsrfer.video.summary import VideoSummary


class Show(Protocol):
    """Where what a run says is shown."""

    def show(self, lines: Sequence[LiveLine]) -> None:
        """Take what there is to say, maybe nothing just now."""


def watch(settings: VideoSettings) -> tuple[VideoSummary, int]:
    """Watch a live source until it is stopped or given up.

    Returns:
        What it amounts to, and the exit code: 2 where the source was given up, else 128 and the signal's number.
    """
    with LiveSession(settings) as session:
        with gentle_stop() as signals, _shown(session, settings) as show:
            try:
                with closing(session.watch()) as said:
                    for lines in said:
                        _tell(lines)
                        show.show(lines)
                        if signals:
                            break
                show.show(session.end(stopped=bool(signals)))
            except BrokenPipeError:  # whoever read has gone; the folder is still worth finishing
                session.finish(stopped=True)
                raise
        summary = session.finish(stopped=bool(signals))
    if signals:
        complain("stopped" + ("; what was done is kept" if settings.output else ""))
        return summary, 128 + signals[0]
    complain(f"{session.source.name}: {session.source.ending.reason}")
    return summary, 2


@contextmanager
def _shown(session: LiveSession, settings: VideoSettings) -> Iterator[Show]:
    if sys.stdout is not None and sys.stdout.isatty():
        watching = Watching(session.source.name, least=settings.min_group)
        with LivePanel(watching, monotonic) as panel:
            yield _OnPanel(session, watching, panel)
        return
    with open_line_sink() as sink:
        yield _AsLines(sink, settings.aggregate_only)


class _AsLines:
    """Lines of JSON: one a frame, or one a time window where nothing is said of frames; and what happens."""

    def __init__(self, sink: Sink[Line], windows: bool) -> None:
        self._sink = sink
        self._windows = windows

    def show(self, lines: Sequence[LiveLine]) -> None:
        for line in lines:
            if self._windows or not isinstance(line, LiveWindow):
                self._sink.write(line)


class _OnPanel:
    """The panel, kept up to date."""

    def __init__(self, session: LiveSession, watching: Watching, panel: LivePanel) -> None:
        self._session, self._watching, self._panel = session, watching, panel

    def show(self, lines: Sequence[LiveLine]) -> None:
        watching, source, pace = self._watching, self._session.source, self._session.pace
        for line in lines:
            if isinstance(line, LiveFrame):
                watching.faces = line.result.group
            elif isinstance(line, LiveWindow):
                watching.window, watching.estimate = (line.window.start, line.window.end), line.window.estimate
        watching.seconds, watching.lost_for, watching.lost = source.seconds(), source.lost_for(), source.ending.holes
        watching.per_second, watching.latency, watching.passed_over = pace.per_second, pace.latency, pace.passed_over
        self._panel.draw()


def _tell(lines: Sequence[LiveLine]) -> None:
    """One line on stderr for each thing that happened."""
    for line in lines:
        if isinstance(line, LiveEvent):
            complain(f"{line.source}: {_words_for(line)}")


def _words_for(event: LiveEvent) -> str:
    facts = event.facts
    if event.name == "lost":
        return f"lost at {clock(event.time)} ({facts['reason']}); it is opened again"
    if event.name == "returned":
        resized = f", now {facts['width']} x {facts['height']} px" if facts["resized"] else ""
        return f"back at {clock(event.time)} after {facts['lost_seconds']:.1f} s{resized}"
    asked = f"every {facts['every']:g} s" if facts["every"] else "at every frame"
    return f"looks {facts['frames_per_second']:.1f} times a second, not {asked}: the work takes longer; nothing lags"
