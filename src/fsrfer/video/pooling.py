"""One answer for a face seen many times: its frames' probabilities pooled, the clearest frames counting most.

Logarithmic opinion pool (Genest and Zidek, Statistical Science 1986): the weighted mean of the log-probabilities,
normalised again. A frame in which a class is all but ruled out then rules it out, which a mean of probabilities cannot do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.labels import EXPRESSIONS, in_order
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.types import Expression, FloatArray

Floats = NDArray[np.float64]

HALF_LIFE = 0.8
"""Seconds after which a frame counts half: expressions last from half a second to a few."""

FULL_SIZE = 32.0
"""Height in pixels from which a larger face shows no more."""

LEAST_CERTAINTY = 0.05
"""Weight of a frame that shows nothing, so that even such frames have a mean."""

RULED_OUT = 1e-4
"""Smallest probability in the pool: one frame alone may not exclude a class."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Frames pooled so far.

    Attributes:
        logs: float64, 7: weighted sum of log-probabilities.
        weight: sum of the weights.
        size: weighted sum of heights in pixels.
        effective: weighted sum of effective heights in pixels; of heights where the model does not estimate them.
        told: weighted sum of how legible the frames are.
        time: of the last frame, in seconds.
        frames: how many were added.
    """

    logs: Floats
    weight: float
    size: float
    effective: float
    told: float
    time: float
    frames: int

    @classmethod
    def empty(cls) -> "Pool":
        """No frame yet."""
        return cls(np.zeros(len(EXPRESSIONS)), 0.0, 0.0, 0.0, 0.0, 0.0, 0)

    def add(self, answer: Expression, time: float, half_life: float = np.inf) -> "Pool":
        """The pool with one more frame's answer; what it held has decayed meanwhile by ``half_life`` seconds."""
        probabilities, size_px = in_order(answer.probabilities), answer.size_px
        effective = size_px if answer.effective_px is None else answer.effective_px
        kept = 0.5 ** ((time - self.time) / half_life) if self.frames else 0.0
        weight = frame_weight(probabilities, effective)
        logs = np.log(np.maximum(probabilities, RULED_OUT))
        return Pool(
            logs=self.logs * kept + weight * logs,
            weight=self.weight * kept + weight,
            size=self.size * kept + weight * size_px,
            effective=self.effective * kept + weight * effective,
            told=self.told * kept + weight * answer.legible,
            time=time,
            frames=self.frames + 1,
        )

    def join(self, other: "Pool") -> "Pool":
        """The pool with all frames of a later one, which count alike."""
        return Pool(
            logs=self.logs + other.logs,
            weight=self.weight + other.weight,
            size=self.size + other.size,
            effective=self.effective + other.effective,
            told=self.told + other.told,
            time=other.time,
            frames=self.frames + other.frames,
        )

    def answer(self, rule: CertaintyRule) -> Expression:
        """What all frames together say."""
        return rule.judge(self.probabilities, self.size_px, self.effective_px, self.legible)

    @property
    def probabilities(self) -> FloatArray:
        """float32, 7: the pooled answer; sums to 1."""
        means = self.logs / max(self.weight, 1e-12)
        powers = np.exp(means - means.max())
        return np.asarray(powers / powers.sum(), np.float32)

    @property
    def size_px(self) -> float:
        """Weighted mean height in pixels."""
        return self.size / max(self.weight, 1e-12)

    @property
    def effective_px(self) -> float:
        """Weighted mean effective height in pixels; `size_px` where the model does not estimate it."""
        return self.effective / max(self.weight, 1e-12)

    @property
    def legible(self) -> float:
        """Weighted mean of how legible the frames are, 0..1."""
        return self.told / max(self.weight, 1e-12)

    def to_dict(self) -> dict[str, Any]:
        """The pool as plain values that JSON can hold."""
        return {
            "logs": self.logs.tolist(),
            "weight": self.weight,
            "size": self.size,
            "effective": self.effective,
            "told": self.told,
            "time": self.time,
            "frames": self.frames,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Pool":
        """The reverse of `to_dict`."""
        return cls(**{**values, "logs": np.array(values["logs"], np.float64)})


class Smoother:
    """Running answers of all faces followed now, in which the past fades.

    Attributes:
        pools: by track number.
    """

    def __init__(self, pools: Mapping[int, Pool] | None = None, half_life: float = HALF_LIFE):
        self.pools = dict(pools or {})
        self._half_life = half_life

    def add(self, number: int, answer: Expression, time: float) -> Pool:
        """Take one more frame's answer for a face; returns all that is pooled of it."""
        pool = self.pools.get(number, Pool.empty()).add(answer, time, self._half_life)
        self.pools[number] = pool
        return pool

    def keep(self, numbers: Iterable[int]) -> None:
        """Forget all faces but these."""
        self.pools = {number: self.pools[number] for number in numbers if number in self.pools}


def frame_weight(probabilities: Floats, effective_px: float) -> float:
    """How much one frame counts: its certainty (1 less the normalised entropy) times the share of a full face's area.

    The height is the effective one, since a blurred frame shows as little as a small one.

    Example:
        >>> round(frame_weight(np.eye(7)[0], 16.0), 4)
        0.2625
    """
    values = probabilities.clip(1e-12, 1)
    entropy = float(-(values * np.log(values)).sum() / np.log(len(values)))
    return (max(0.0, 1.0 - entropy) + LEAST_CERTAINTY) * min(effective_px / FULL_SIZE, 1.0) ** 2
