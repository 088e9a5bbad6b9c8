"""A run over one video, from opening it to its summary: sampled, recognised, recorded, stopped and resumed without loss."""

import hashlib
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from fsrfer.errors import InputError
from fsrfer.files import check_folder, check_outputs, locked, locked_file, write_text
from fsrfer.group.withholding import SmallestGroup
from fsrfer.output.tables import FORMATS
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.devices import CPU
from fsrfer.video.quality import DEFAULT
from fsrfer.video.reading import Clip, open_video
from fsrfer.video.recognizer import VideoRecognizer
from fsrfer.video.recorder import Plan, Progress, Recorder, unfinished
from fsrfer.video.report import report_of
from fsrfer.video.results import FrameResult
from fsrfer.video.showing import ShownFrames
from fsrfer.video.summary import RunIdentity, VideoSummary, Work

EVERY = 0.2
"""Seconds between two sampled frames unless the user says otherwise."""

WINDOW = 5.0
MIN_GROUP = 5

REWATCHED = 3.0
"""Seconds that an aggregate-only run watches again on resume, twice what a face may go unseen."""

ENDS = 2**20
"""Bytes of a video's beginning and end that tell it from others."""

SUMMARY, REPORT = "summary.json", "report.html"


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """What to do with a video.

    Attributes:
        source: a file, a camera's number, or a stream's address.
        output: folder for tables, summary and report; None writes none.
        every: seconds between two sampled frames; 0 takes every frame.
        window: length of a time window in seconds.
        table: format of the tables.
        annotate: the video to draw, or None.
        blur: whether its faces are pixelated, and the page shows none.
        aggregate_only: whether nothing of single faces is written.
        min_group: smallest group reported in aggregate-only runs.
        resume: whether to resume a run that was stopped.
        overwrite: whether finished results in ``output`` may be replaced.
        model, detector, threads, min_face, detect_every, device, quality: as for `VideoRecognizer`.
    """

    source: str
    output: Path | None = None
    every: float = EVERY
    window: float = WINDOW
    table: str = FORMATS[0]
    annotate: Path | None = None
    blur: bool = False
    aggregate_only: bool = False
    min_group: int = MIN_GROUP
    resume: bool = False
    overwrite: bool = False
    model: str | Path = "default"
    detector: str | Path = "default"
    threads: int | None = None
    min_face: float = MIN_FACE
    detect_every: int = 1
    device: str = CPU
    quality: str = DEFAULT

    @property
    def smallest(self) -> SmallestGroup:
        """What is withheld."""
        return SmallestGroup(self.min_group if self.aggregate_only else 0)

    @property
    def shows_frames(self) -> bool:
        """Whether a page is written that may show single faces."""
        return self.output is not None and not self.aggregate_only

    def check(self) -> None:
        """Refuse what contradicts itself or cannot be written, before any work.

        Raises:
            InputError: it does.
        """
        if self.aggregate_only and self.annotate:
            raise InputError("--aggregate-only writes no pictures; leave out --annotate")
        if self.blur and not (self.annotate or self.output):
            raise InputError("--blur hides faces in pictures; name them with --annotate FILE.mp4 or -o DIR")
        if self.resume and self.output is None:
            raise InputError("--resume needs the folder of the stopped run: -o DIR")
        if self.resume and self.output is not None and not unfinished(self.output):
            raise InputError(f"{self.output}: no unfinished run here; start without --resume")
        if self.annotate:
            _check_annotate(self.annotate, self.source)
        if self.output is not None:
            check_folder(self.output)
            for name in (SUMMARY, REPORT):
                if (self.output / name).is_dir():
                    raise InputError(
                        f"{self.output / name}: a folder is there, where a file is to be written; remove it"
                    )


class VideoSession:
    """One run; use it in a ``with`` block.

    Attributes:
        clip: the opened video.

    Example:
        >>> settings = VideoSettings("hall.mp4", output=Path("hall"))  # doctest: +SKIP
        >>> with VideoSession(settings) as session:  # doctest: +SKIP
        ...     for result in session.results():
        ...         print(result.time, len(result.faces))
        ...     summary = session.finish()
    """

    def __init__(self, settings: VideoSettings) -> None:
        """Check the settings, open the video, load the networks and lock the output.

        Raises:
            InputError: the video cannot be opened, the output cannot be written or is in use, or there is nothing to resume.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        settings.check()
        self._settings = settings
        self._held = ExitStack()
        self.clip = open_video(settings.source, settings.threads)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "VideoSession":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def start(self) -> float:
        """Where in the clip the run begins, in seconds."""
        return self._progress.next_window * self._settings.window if self._progress else 0.0

    def results(self) -> Generator[FrameResult, None, None]:
        """The sampled frames, each recorded before it is given."""
        settings, progress = self._settings, self._progress
        # An aggregate-only run keeps no tracks: the seconds before are watched again, so that nobody is counted twice.
        again = REWATCHED if progress and progress.state is None else 0.0
        steps = self._recognizer.follow(
            self.clip,
            settings.every,
            max(0.0, self.start - again),
            progress.state if progress else None,
            pictures=settings.annotate is not None or (settings.shows_frames and not settings.blur),
            seek=not (progress and progress.uneven),
        )
        known = 0
        try:
            for result, state in steps:
                if result.time < self.start - 1e-6:
                    known = state.started
                    continue
                self._recorder.add(result, state, known, uneven=not self.clip.ending.even)
                if settings.shows_frames:
                    self._shown.add(result)
                yield result
        finally:
            steps.close()

    def finish(self, stopped: bool = False) -> VideoSummary:
        """Write what is left, the summary and the page.

        Args:
            stopped: by the user; the run can then be resumed.

        Raises:
            InputError: something could not be written; of the annotated video alone, once all else is.
        """
        told = self._recorder.close(complete=not stopped)
        ending, totals, smallest = self.clip.ending, self._recorder.totals, self._settings.smallest
        estimate, group = smallest.figure(totals.faces.counted, told), smallest.group(totals.faces)
        stages = {name: round(value, 2) for name, value in self._recognizer.watch.seconds.items()}
        summary = VideoSummary(
            run=self._identity,
            duration=self.clip.duration and round(self.clip.duration, 3),
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
            work=Work(round(time.perf_counter() - self._began, 2), stages, self._recognizer.dropped),
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
        """Let the video and the output go."""
        self.clip.close()
        self._held.close()

    def _open(self) -> None:
        settings = self._settings
        self._recognizer = VideoRecognizer(
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
        faces = self._recognizer.faces
        self._identity = _identity(settings, self.clip, faces.model.sha256, faces.device)
        self._progress = _progress(settings, self.clip, self._identity)
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
            self._progress,
        )
        self._began = time.perf_counter()


def _check_annotate(annotate: Path, source: str) -> None:
    if annotate.suffix.lower() != ".mp4":
        raise InputError(f"--annotate {annotate}: the video's name must end in .mp4")
    check_outputs([annotate], [source])


def _identity(settings: VideoSettings, clip: Clip, sha256: str, device: str) -> RunIdentity:
    file = Path(settings.source)
    return RunIdentity(
        source=clip.name,
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


def _progress(settings: VideoSettings, clip: Clip, identity: RunIdentity) -> Progress | None:
    """How far the run to be resumed has come; None for a new one.

    Raises:
        InputError: there is nothing to resume, or the folder holds results that must not be lost.
    """
    folder = settings.output
    if folder is None:
        return None
    if settings.resume:
        if clip.live:
            raise InputError(f"{clip.name}: a live source cannot be resumed; start without --resume")
        return Progress.load(folder, identity)
    if settings.overwrite:
        return None
    if unfinished(folder):
        how = "" if clip.live else "resume it with --resume, "
        raise InputError(f"{folder}: holds a run that was stopped; {how}add --overwrite, or choose another folder")
    if any(
        (folder / name).exists() for name in (SUMMARY, REPORT, f"faces.{settings.table}", f"group.{settings.table}")
    ):
        raise InputError(f"{folder}: holds finished results; add --overwrite to replace them, or choose another folder")
    return None
