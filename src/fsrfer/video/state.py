"""What must be kept of a video's past to resume it as if nothing had happened: boxes and pooled answers, no appearance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fsrfer.video.pooling import Pool
from fsrfer.video.rationing import LastAnswer
from fsrfer.video.tracking import Track


@dataclass(frozen=True, slots=True)
class TrackingState:
    """Faces followed after some frame.

    Attributes:
        frames: sampled frames so far.
        tracks, started: of the `Tracker`.
        pools: of the `Smoother`.
        newest: time of the frame, in seconds; None before the first.
        whole: time of the last frame that was searched whole.
        last: of the `Ration`.
    """

    frames: int = 0
    tracks: tuple[Track, ...] = ()
    started: int = 0
    pools: Mapping[int, Pool] = field(default_factory=dict)
    newest: float | None = None
    whole: float | None = None
    last: Mapping[int, LastAnswer] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The state as plain values that JSON can hold."""
        return {
            "frames": self.frames,
            "started": self.started,
            "tracks": [
                {
                    "number": track.number,
                    "seen": track.seen,
                    "time": track.time,
                    "mean": track.mean.tolist(),
                    "spread": track.spread.tolist(),
                    "confirmed": track.confirmed,
                }
                for track in self.tracks
            ],
            "pools": {str(number): pool.to_dict() for number, pool in self.pools.items()},
            "newest": self.newest,
            "whole": self.whole,
            "last": {str(number): last.to_dict() for number, last in self.last.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrackingState":
        """The reverse of `to_dict`."""
        tracks = tuple(
            Track(**{**track, "mean": np.array(track["mean"]), "spread": np.array(track["spread"])})
            for track in values["tracks"]
        )
        pools = {int(number): Pool.from_dict(pool) for number, pool in values["pools"].items()}
        last = {int(number): LastAnswer.from_dict(one) for number, one in values["last"].items()}
        return cls(values["frames"], tracks, values["started"], pools, values["newest"], values["whole"], last)
