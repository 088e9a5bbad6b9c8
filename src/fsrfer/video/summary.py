"""What a video run amounts to: the one definition of ``summary.json``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fsrfer.group.estimate import GroupEstimate
from fsrfer.types import Group
from fsrfer.version import __version__


@dataclass(frozen=True, slots=True)
class VideoSummary:
    """The whole clip, or as much of it as was watched.

    Attributes:
        settings: of the run: ``source``, ``bytes``, ``model_sha256``, ``every``, ``window``, ``format``, ``detector``,
            ``detect_every``, ``min_face``, ``min_group``, ``annotate``, ``blur``.
        duration: declared length in seconds, or None.
        read_to: time of the last frame in seconds.
        stopped: why the clip was not read to its end, or None.
        damaged_parts, corrupt_frames, missing_seconds, clock_jumps: what was wrong with the source (`reading.Ending`).
        frames: looked at.
        tracks: different faces, as far as they could be followed.
        windows, windows_withheld: time windows, and how many of them showed too few people to report.
        sightings: faces in all frames together.
        group: plain counts, each face once a window; None where it is withheld.
        estimate: shares corrected for the model's known confusion, with 95% intervals; None where it is withheld.
        sizes_px: faces by bins of their height; None for a count that is withheld.
        work: ``seconds``, ``seconds_by_stage``, ``frames_dropped``.
    """

    settings: Mapping[str, Any]
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
    work: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values that JSON can hold."""
        values = {name: getattr(self, name) for name in _PLAIN}
        return {
            "fsrfer": __version__,
            **self.settings,
            "duration": self.duration,
            "read_to": self.read_to,
            "complete": self.stopped is None,
            **values,
            "group": self.group and asdict(self.group),
            "estimate": self.estimate and self.estimate.to_dict(),
            "sizes_px": dict(self.sizes_px),
            "work": dict(self.work),
        }

    def to_json(self) -> str:
        """The content of ``summary.json``."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


_PLAIN = (
    *("stopped", "damaged_parts", "corrupt_frames", "missing_seconds", "clock_jumps"),
    *("frames", "tracks", "windows", "windows_withheld", "sightings"),
)
