"""What a live run says, line by line, as plain data: frames looked at, time windows, and what happened to the source."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fsrfer.labels import EXPRESSIONS
from fsrfer.types import Group
from fsrfer.video.live import Lost, Returned
from fsrfer.video.results import FrameResult
from fsrfer.video.windows import ClosedWindow


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One frame that was looked at.

    Attributes:
        source: name of the camera or stream, without secrets.
        at: seconds since 1970 at which its data came.
        result: its faces; ``time`` counts from the first frame, by this machine's clock.
        latency: seconds from then until the answer.
        passed_over: looks that were due since the last one, and missed because the work could not keep up.
        device: what the networks ran on.
    """

    source: str
    at: float
    result: FrameResult
    latency: float
    passed_over: int
    device: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The frame as plain values that JSON can hold."""
        return {
            **_head("frame", self.source, self.at),
            "time": round(self.result.time, 4),
            "width": self.result.width,
            "height": self.result.height,
            "latency": round(self.latency, 4),
            "passed_over": self.passed_over,
            "device": self.device,
            "faces": [tracked.to_dict() for tracked in self.result.faces],
            "group": self.result.group.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class LiveWindow:
    """One time window that is over.

    Attributes:
        source: as for `LiveFrame`.
        at: seconds since 1970 at which it was over.
        window: its group.
        latency: mean of its frames.
        passed_over: sum of its frames.
        device: as for `LiveFrame`.
    """

    source: str
    at: float
    window: ClosedWindow
    latency: float
    passed_over: int
    device: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The window as plain values that JSON can hold; what is withheld is None."""
        window = self.window
        return {
            **_head("window", self.source, self.at),
            "start": window.start,
            "end": window.end,
            "frames": window.frames,
            "latency": round(self.latency, 4),
            "passed_over": self.passed_over,
            "device": self.device,
            "withheld": window.group is None,
            "faces_per_frame": window.faces_per_frame,
            "group": window.group and _group_to_dict(window.group),
            "estimate": window.estimate and window.estimate.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """What happened to the source, or to the run.

    Attributes:
        source, at: as for `LiveFrame`.
        name: ``lost``, ``returned``, ``slower`` or ``end``.
        time: seconds since the first frame.
        facts: by name; which ones, depends on the event.
    """

    source: str
    at: float
    name: str
    time: float
    facts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The event as plain values that JSON can hold."""
        return {**_head(self.name, self.source, self.at), "time": round(self.time, 4), **self.facts}


LiveLine = LiveFrame | LiveWindow | LiveEvent


def event_of(source: str, at: float, happening: Lost | Returned) -> LiveEvent:
    """What happened to a source, as an event."""
    if isinstance(happening, Lost):
        return LiveEvent(source, at, "lost", happening.time, {"reason": happening.reason})
    facts = {
        "lost_seconds": round(happening.seconds, 3),
        "attempts": happening.attempts,
        "width": happening.width,
        "height": happening.height,
        "resized": happening.resized,
    }
    return LiveEvent(source, at, "returned", happening.time, facts)


def _head(event: str, source: str, at: float) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return {"event": event, "source": source, "at": moment.replace("+00:00", "Z")}


def _group_to_dict(group: Group) -> dict[str, Any]:
    """Plain counts; None for a share that is withheld."""
    return {**group.to_dict(), "shares": {name: group.shares.get(name) for name in EXPRESSIONS}}
