"""What every run over a video shares: its networks, its records, its summary and page, whatever its frames come from."""

import hashlib
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from fsrfer.errors import InputError
from fsrfer.files import locked, locked_file, write_text
from fsrfer.video.reading import Ending
from fsrfer.video.recognizer import VideoRecognizer
from fsrfer.video.recorder import Progress, Recorder, unfinished
from fsrfer.video.report import report_of
from fsrfer.video.results import FrameResult
from fsrfer.video.settings import REPORT, SUMMARY, VideoSettings
from fsrfer.video.showing import ShownFrames
from fsrfer.video.state import TrackingState
from fsrfer.video.summary import RunIdentity, VideoSummary, Work
from fsrfer.video.windows import ClosedWindow, Plan

ENDS = 2**20
"""Bytes of a video's beginning and end that tell it from others."""


class Source(Protocol):
    """What a run must know of where its frames come from."""

    name: str
    live: bool
    duration: float | None
    ending: Ending


class Run:
    """One run over an opened source; close it.

    Attributes:
        recognizer: of its faces.
        progress: how far the run that this one resumes had come, or None.
    """

    def __init__(self, settings: VideoSettings, source: Source) -> None:
        """Load the networks and lock the output.

        Raises:
            InputError: the output cannot be written or is in use, or there is nothing to resume.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self._settings, self._source = settings, source
        self._held = ExitStack()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def start(self) -> float:
        """Where in the clip the run begins, in seconds."""
        return self.progress.next_window * self._settings.window if self.progress else 0.0

    def add(
        self, result: FrameResult, state: TrackingState, known: int = 0, uneven: bool = False
    ) -> ClosedWindow | None:
        """Record the next frame; returns the time window that ended before it, if one did. See `Recorder.add`."""
        closed = self._recorder.add(result, state, known, uneven)
        if self._settings.shows_frames:
            self._shown.add(result)
        return closed

    def end_window(self) -> ClosedWindow | None:
        """Write the time window that is over although no frame came after it; None if there is none."""
        return self._recorder.end_window()

    def finish(self, stopped: bool = False) -> VideoSummary:
        """Write what is left, the summary and the page.

        Args:
            stopped: by the user; the run can then be resumed.

        Raises:
            InputError: something could not be written; of the annotated video alone, once all else is.
        """
        told = self._recorder.close(complete=not stopped or self._source.live)
        ending, totals, smallest = self._source.ending, self._recorder.totals, self._settings.smallest
        estimate, group = smallest.figure(totals.faces.counted, told), smallest.group(totals.faces)
        stages = {name: round(value, 2) for name, value in self.recognizer.watch.seconds.items()}
        summary = VideoSummary(
            run=self._identity,
            duration=self._source.duration and round(self._source.duration, 3),
            read_to=round(ending.read_to, 3),
            stopped="stopped by the user" if stopped else ending.reason,
            damaged_parts=ending.damaged,
            corrupt_frames=ending.corrupt,
            missing_seconds=round(ending.holes, 3),
            clock_jumps=ending.jumps,
            frames=totals.frames,
            tracks=totals.people,
            windows=totals.windows,
            windows_withheld=totals.withheld,
            sightings=totals.sightings,
            group=group and replace(group, estimate=estimate),
            estimate=estimate,
            sizes_px=smallest.counts(totals.faces.by_size),
            work=Work(round(time.perf_counter() - self._began, 2), stages, self.recognizer.dropped),
            faces=self._recorder.few_faces(),
        )
        if self._settings.output is not None and self._recorder.groups is not None:
            write_text(self._settings.output / SUMMARY, summary.to_json())
            page = report_of(summary, self._recorder.groups.rows(), self._shown.viewer())
            write_text(self._settings.output / REPORT, page.to_html())
        if self._recorder.lost_video is not None:
            raise InputError(f"{self._recorder.lost_video}; all other results are whole")
        return summary

    def close(self) -> None:
        """Let the output go."""
        self._held.close()

    def _open(self) -> None:
        settings = self._settings
        self.recognizer = VideoRecognizer(
            settings.model,
            settings.detector,
            settings.threads,
            settings.min_face,
            settings.detect_every,
            settings.device,
            settings.quality,
        )
        if settings.output is not None:
            self._held.enter_context(locked(settings.output))
        if settings.annotate is not None:
            self._held.enter_context(locked_file(settings.annotate))
        faces = self.recognizer.faces
        self._identity = _identity(settings, self._source, faces.model.sha256, faces.device)
        self.progress = _progress(settings, self._source, self._identity)
        self._shown = ShownFrames(settings.window, settings.blur, self.start)
        plan = Plan(settings.window, settings.table, settings.smallest, settings.aggregate_only)
        self._recorder = Recorder(
            plan,
            faces.rule,
            faces.model.info,
            self._identity,
            settings.output,
            settings.annotate,
            settings.blur,
            self.progress,
        )
        self._began = time.perf_counter()


def _identity(settings: VideoSettings, source: Source, sha256: str, device: str) -> RunIdentity:
    file = Path(settings.source)
    return RunIdentity(
        source=source.name,
        bytes=file.stat().st_size if file.is_file() else None,
        ends_sha256=_ends_sha256(file) if file.is_file() else None,
        model_sha256=sha256,
        every=settings.every,
        window=settings.window,
        format=settings.table,
        detector=str(settings.detector),
        detect_every=settings.detect_every,
        quality=settings.quality,
        min_face=settings.min_face,
        min_group=settings.min_group if settings.aggregate_only else None,
        annotate=str(settings.annotate) if settings.annotate else None,
        blur=settings.blur,
        device=device,
    )


def _ends_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        seal = hashlib.sha256(stream.read(ENDS))
        stream.seek(max(0, file.stat().st_size - ENDS))
        seal.update(stream.read(ENDS))
    return seal.hexdigest()


def _progress(settings: VideoSettings, source: Source, identity: RunIdentity) -> Progress | None:
    """How far the run to be resumed has come; None for a new one.

    Raises:
        InputError: there is nothing to resume, or the folder holds results that must not be lost.
    """
    folder = settings.output
    if folder is None:
        return None
    if settings.resume:
        if source.live:
            raise InputError(f"{source.name}: a live source cannot be resumed; start without --resume")
        return Progress.load(folder, identity)
    if settings.overwrite:
        return None
    if unfinished(folder):
        how = "" if source.live else "resume it with --resume, "
        raise InputError(f"{folder}: holds a run that was stopped; {how}add --overwrite, or choose another folder")
    if any(
        (folder / name).exists() for name in (SUMMARY, REPORT, f"faces.{settings.table}", f"group.{settings.table}")
    ):
        raise InputError(f"{folder}: holds finished results; add --overwrite to replace them, or choose another folder")
    return None
