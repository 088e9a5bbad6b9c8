"""Time that only goes forward, whatever a source's own clock does."""

from dataclasses import dataclass

JUMP = 0.5
"""Seconds that a clock goes back from which it counts as one that started again, not as two frames that overlap."""


@dataclass(slots=True)
class Clock:
    """Turns presentation times into seconds since the first frame.

    Recordings that were joined, and cameras that reconnect, start their clock again: time goes on from the newest frame.

    Attributes:
        origin: presentation time of the first frame, in seconds.
        step: seconds a frame lasts where nothing else is known.
        newest: time of the last frame, below 0 before the first.
        shift: seconds added since the clock was first started again.
        jumps: how often it was.
    """

    origin: float
    step: float
    newest: float = -1.0
    shift: float = 0.0
    jumps: int = 0

    def time_of(self, presented: float | None) -> float:
        """Seconds since the first frame of a frame that is presented at a time of its own; None where it has none."""
        following = self.newest + self.step if self.newest >= 0 else 0.0
        if presented is None:
            self.newest = following
            return following
        time = max(0.0, presented - self.origin + self.shift)
        if time < self.newest - 1e-6:
            self.jumps += self.newest - time >= JUMP
            self.shift += following - time
            time = following
        self.newest = time
        return time
