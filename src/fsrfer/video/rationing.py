"""Which of a frame's faces are recognised anew; for the others the last answer stands.

A face is due when it was never recognised, when its time has come, and when it may show more than last time: it has grown,
or turned to the camera. Turns are spread by where faces are, not by who came when, so that the work is even and a run that was
resumed soon asks for the same faces. Nothing here depends on how fast the machine is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.types import Detections, Expression
from fsrfer.video.quality import Quality
from fsrfer.video.searching import Moment

LARGE = 0.8
"""10^9 operations a face of a network that `Quality` is stated for; a smaller one may recognise as much more often."""

GROWN = 1.25
"""Growth since the last answer from which a face is recognised at once."""

TURNED = 0.25
"""How much nearer to the middle the nose must be, in distances of the eyes, for the same."""

SPREAD = (3.0, 5.0)
"""Turns across and down a frame: neighbours are recognised at different times."""

PHASES = 8
"""Moments of a turn at which faces are recognised: those of one moment go through the network together, which is cheaper."""

LATEST = 1.5
"""Turns that no answer gets older than, whatever way a face moves and however seldom frames are looked at."""


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """What a face's last recognised frame said.

    Attributes:
        time: of that frame, in seconds.
        answer: of that frame alone.
        turned: how far the nose was from the middle of the eyes, in distances of the eyes; None without landmarks.
        certain: whether the pooled answer was certain.
        mirrored: whether the face's mirror image was recognised.
    """

    time: float
    answer: Expression
    turned: float | None
    certain: bool
    mirrored: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LastAnswer":
        """The reverse of `to_dict`."""
        return cls(**{**values, "answer": Expression(**values["answer"])})


class Ration:
    """Chooses faces frame by frame.

    Attributes:
        last: the last answer of each face, by track.
    """

    def __init__(self, quality: Quality, gflop: float, last: Mapping[int, LastAnswer] | None = None):
        """Begin.

        Args:
            quality: how often faces are recognised.
            gflop: cost of the network a face; 0 where it is not known.
            last: to resume with.
        """
        share = min(1.0, gflop / LARGE) if gflop else 1.0
        self._every, self._most = quality.answer * share, quality.answers / share
        self.last = dict(last or {})

    @property
    def is_free(self) -> bool:
        """Whether every face is recognised in every frame."""
        return self._every <= 0

    def due(
        self, numbers: Sequence[int], found: Detections, moment: Moment, size: tuple[int, int], seen: bool
    ) -> NDArray[np.bool_]:
        """Which faces of a frame are to be recognised.

        Args:
            numbers: tracks of the faces.
            found: where they are.
            moment: of the frame.
            size: height and width of the frame in pixels.
            seen: whether the faces were found in this frame; of predicted ones only those never seen before are due.
        """
        if self.is_free:
            return np.ones(len(numbers), bool)
        turn = self._turn(len(numbers))
        places = _places(found, size)
        heights = found.boxes[:, 3] - found.boxes[:, 1]
        turned = how_turned(found)
        rows = zip(numbers, places.tolist(), heights.tolist(), turned, strict=True)
        return np.array(
            [
                (last := self.last.get(number)) is None
                or (seen and _is_due(last, moment, turn if last.certain else turn / 2, place, height, aside))
                for number, place, height, aside in rows
            ],
            bool,
        )

    def keep(self, numbers: Iterable[int]) -> None:
        """Forget all faces but these."""
        self.last = {number: self.last[number] for number in numbers if number in self.last}

    def _turn(self, faces: int) -> float:
        """Seconds between two answers of a face: doubled as often as there are too many faces, so that it seldom changes."""
        crowded = faces / (self._most * self._every)
        return self._every * 2.0 ** max(0, ceil(log2(max(crowded, 1.0))))


def how_turned(found: Detections) -> list[float | None]:
    """How far each nose is from the middle of the eyes, in distances of the eyes; None where nothing is known."""
    if found.landmarks is None:
        return [None] * len(found)
    right, left, nose = (found.landmarks[:, index] for index in range(3))
    across = left - right
    length = np.maximum((across**2).sum(axis=1), 1e-6)
    aside = np.abs(((nose - (right + left) / 2) * across).sum(axis=1)) / length
    return [float(value) for value in np.minimum(aside, 1.0)]


def _places(found: Detections, size: tuple[int, int]) -> NDArray[np.float64]:
    """Where in its turn each face is, by its place in the frame."""
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]).astype(np.float64) / 2
    places = (centres / (size[1], size[0])) @ np.array(SPREAD)
    return np.asarray(np.floor(places * PHASES) / PHASES)


def _is_due(last: LastAnswer, moment: Moment, turn: float, place: float, height: float, turned: float | None) -> bool:
    has_come = np.floor(moment.time / turn + place) > np.floor(last.time / turn + place)
    would_be_late = moment.time + moment.step - last.time > LATEST * turn
    has_grown = height > GROWN * last.answer.size_px
    shows_more = turned is not None and last.turned is not None and turned < last.turned - TURNED
    return bool(has_come or would_be_late or has_grown or shows_more)
