"""How far a run is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        photos, of: done, and in all.
        before: how many of those were done by earlier runs.
        faces, failed: found so far, and photos with an error.
        seconds: since this run began to score.
    """

    photos: int
    of: int
    before: int
    faces: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Photos a second in this run."""
        return (self.photos - self.before) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """As far as can be told."""
        return (self.of - self.photos) / self.rate if self.rate > 0 else None
