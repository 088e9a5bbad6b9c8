"""What a video run amounts to: the one definition of ``summary.json``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.rows import answer_to_dict
from fsrfer.types import Expression, Group, GroupEstimate
from fsrfer.version import __version__


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What a run must have in common with the one it resumes.

    Attributes:
        source: name of the video, without secrets.
        bytes: size of its file; None of a live source.
        ends_sha256: of the file's first and last MiB, to tell it from another of its name and size; None of a live source.
        model_sha256: of the recogniser of crops.
        every: seconds between two frames looked at; 0 for every frame.
        window: length of a time window in seconds.
        format: of the tables.
        detector: its name or path.
        detect_every: faces are searched for in every n-th frame looked at.
        quality: how often frames are searched whole and faces recognised again, by its name.
        min_face: smallest height that is counted, in pixels.
        min_group: smallest group reported in an aggregate-only run; None in others.
        annotate: path of the annotated video, or None.
        blur: whether its faces are pixelated.
        device: that the networks run on, whose answers differ in the last digits.
    """

    source: str
    bytes: int | None
    ends_sha256: str | None
    model_sha256: str
    every: float
    window: float
    format: str
    detector: str
    detect_every: int
    quality: str
    min_face: float
    min_group: int | None
    annotate: str | None
    blur: bool
    device: str

    def changed_from(self, saved: Mapping[str, Any]) -> list[str]:
        """Names of what differs from an identity that was saved as a dictionary."""
        return sorted(name for name, value in asdict(self).items() if saved.get(name) != value)


@dataclass(frozen=True, slots=True)
class Work:
    """What a run took: ``seconds`` in all and of each stage (stages overlap), and frames of a live source passed over."""

    seconds: float
    seconds_by_stage: Mapping[str, float]
    frames_dropped: int


@dataclass(frozen=True, slots=True)
class FollowedFace:
    """One face over the whole clip: its number, its answer with all frames pooled, and whether it is too small to count."""

    track: int
    answer: Expression
    too_small: bool

    def to_dict(self) -> dict[str, Any]:
        """The face as plain values that JSON can hold."""
        return {"track": self.track, **answer_to_dict(self.answer), "too_small": self.too_small}


@dataclass(frozen=True, slots=True)
class VideoSummary:
    """The whole clip, or as much of it as was watched.

    Attributes:
        run: source and settings.
        duration: declared length in seconds, or None.
        read_to: time of the last frame in seconds.
        stopped: why the clip was not read to its end, or None.
        damaged_parts, corrupt_frames, missing_seconds, clock_jumps: what was wrong with the source (`reading.Ending`).
        frames: looked at.
        tracks: different faces, as far as they could be followed.
        windows, windows_withheld: time windows, and how many of them showed too few people to report.
        sightings: faces in all frames together.
        group: plain counts, each face once a window; None where it is withheld, without the shares that are withheld.
        estimate: shares corrected for the model's known confusion, with 95% intervals; None where it is withheld.
        sizes_px: faces by bins of their height; None for a count that is withheld.
        work: what it took.
        faces: each face's answer over the whole clip, where fewer than five were followed; None where there are more, and in
            aggregate-only runs.
    """

    run: RunIdentity
    duration: float | None
    read_to: float
    stopped: str | None
    damaged_parts: int
    corrupt_frames: int
    missing_seconds: float
    clock_jumps: int
    frames: int
    tracks: int
    windows: int
    windows_withheld: int
    sightings: int
    group: Group | None
    estimate: GroupEstimate | None
    sizes_px: Mapping[str, int | None]
    work: Work
    faces: tuple[FollowedFace, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values that JSON can hold; shares of the group that are withheld are None."""
        values = asdict(self)
        head = {"fsrfer": __version__, **values.pop("run")}
        read = {name: values.pop(name) for name in ("duration", "read_to")}
        if self.group:
            shares = {name: self.group.shares.get(name) for name in EXPRESSIONS}
            values["group"] = {**self.group.to_dict(), "shares": shares}
        values["estimate"] = self.estimate and self.estimate.to_dict()
        values["faces"] = None if self.faces is None else [face.to_dict() for face in self.faces]
        return {**head, **read, "complete": self.stopped is None, **values}

    def to_json(self) -> str:
        """The content of ``summary.json``."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
