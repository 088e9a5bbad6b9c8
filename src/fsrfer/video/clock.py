"""Time that only goes forward, whatever a source's own clock does."""

from dataclasses import dataclass

JUMP = 0.5
"""Seconds that a clock goes back from which it counts as one that started again, not as frames that overlap."""

LEAP = 3600.0
"""Seconds without a frame from which a clock counts as one that jumped: 33 bits of 90 kHz that go back seem to go ahead."""

TICK = 0.001
"""Seconds between two frames of which the source says that the second is not later."""


@dataclass(slots=True)
class Clock:
    """Turns presentation times into seconds since the first frame.

    Recordings that were joined, and cameras that reconnect, start their clock again: time goes on from the newest frame.

    Attributes:
        origin: presentation time of the first frame, in seconds.
        step: seconds a frame lasts where nothing else is known.
        newest: time of the last frame, below 0 before the first.
        shift: seconds added since the clock first jumped.
        lag: seconds added because the clock went back a little, until it has caught up.
        jumps: how often it jumped.
        furthest: latest time by the source's own clock.
        exact: whether all times were the source's own, so that they are places to jump to.
    """

    origin: float
    step: float
    newest: float = -1.0
    shift: float = 0.0
    lag: float = 0.0
    jumps: int = 0
    furthest: float = 0.0
    exact: bool = True
    _last: float | None = None

    def time_of(self, presented: float | None, lasted: float = 0.0) -> float:
        """Seconds since the first frame, later than those of the last frame.

        Args:
            presented: time of the frame by the source's clock, in seconds; None where it has none.
            lasted: seconds that the last frame was to be shown.
        """
        following = self.newest + (lasted or self.step) if self.newest >= 0 else 0.0
        if presented is None:
            time = following
        else:
            self.furthest = max(self.furthest, presented - self.origin)
            time = presented - self.origin + self.shift
            if self._last is None:
                time = max(0.0, time)
            elif not -JUMP < time - self._last <= LEAP + lasted:
                self.jumps += 1
                self.shift, self.lag, time = self.shift + following - time, 0.0, following
        self._last = time
        if time > self.newest:
            self.lag = 0.0
        elif time + self.lag <= self.newest:
            self.lag = self.newest + TICK - time
        self.newest = time + self.lag
        self.exact &= presented is not None and not (self.jumps or self.lag)
        return self.newest
