"""What to do with a video, and what contradicts itself."""

from dataclasses import dataclass
from pathlib import Path

from fsrfer.errors import InputError
from fsrfer.files import check_folder, check_outputs
from fsrfer.group.withholding import MIN_GROUP, SmallestGroup
from fsrfer.output.tables import FORMATS
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.devices import CPU
from fsrfer.video.quality import DEFAULT
from fsrfer.video.recorder import unfinished

EVERY = 0.2
"""Seconds between two sampled frames unless the user says otherwise."""

WINDOW = 5.0

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
        live: whether ``source`` is a camera or stream of which only the newest frame is looked at.
        give_up: seconds after which a live source that was lost is not opened again; None tries for ever.
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
    live: bool = False
    give_up: float | None = None

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
        if self.live and self.annotate:
            raise InputError("--live draws no video; leave out --annotate, or leave out --live to record one")
        if self.live and self.resume:
            raise InputError("--live cannot be resumed: what was missed is gone; start without --resume")
        if self.give_up is not None and not self.live:
            raise InputError("--give-up is for --live")
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


def _check_annotate(annotate: Path, source: str) -> None:
    if annotate.suffix.lower() != ".mp4":
        raise InputError(f"--annotate {annotate}: the video's name must end in .mp4")
    check_outputs([annotate], [source])
