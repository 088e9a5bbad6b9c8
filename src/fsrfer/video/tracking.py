"""Which face of this frame is which of the last: numbers that hold within one clip, from boxes alone.

Each face has a Kalman filter of constant velocity for its centre and size; faces of a new frame are given to the filters
that predicted them best, all at once (SORT: Bewley et al., ICIP 2016, arXiv:1602.00763), the confident detections first and the
rest second (ByteTrack: Zhang et al., ECCV 2022, arXiv:2110.06864). No appearance is looked at, so none is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fsrfer.types import Detections, FloatArray

Floats = NDArray[np.float64]

MEMORY = 1.5
"""Seconds a face may go unseen and still keep its number."""

CONFIDENT = 0.75
"""Detections at or above this score choose their tracks first."""

GATE = 9.21
"""Largest squared Mahalanobis distance of centres: the 99% quantile of chi-squared with 2 degrees of freedom."""

SIZE_CHANGE = 0.5
"""Largest change of the logarithm of a face's size between two sightings."""

POSITION_NOISE = 0.08
"""Standard deviation of a detector's centre and size, in face sizes."""

START_SPEED = 1.0
"""Standard deviation of the speed of a face seen once, in face sizes a second."""

ACCELERATION = 1.5
"""Of people: the square root of the filter's process noise, in face sizes a second, per root second."""


@dataclass(frozen=True, slots=True)
class Track:
    """A face followed through a clip.

    Attributes:
        number: counted from 1, valid within the clip.
        seen: time of its last sighting, in seconds.
        time: time of ``mean``, in seconds.
        mean: float64, 4 x 2: centre x, centre y, width, height in pixels, and their change a second.
        spread: float64, 2 x 2: covariance of a centre coordinate and its change, in face sizes.
        confirmed: time of its last sighting in a frame that was searched whole, in seconds.
    """

    number: int
    seen: float
    time: float
    mean: Floats
    spread: Floats
    confirmed: float

    @property
    def box(self) -> Floats:
        """The estimated box, ``xyxy``."""
        centre, half = self.mean[:2, 0], np.maximum(self.mean[2:, 0], 1.0) / 2
        return np.concatenate([centre - half, centre + half])

    @property
    def size(self) -> float:
        """The larger side in pixels."""
        return float(max(self.mean[2:, 0].max(), 1.0))


class Tracker:
    """Numbers the faces of successive frames.

    Attributes:
        tracks: the faces followed now; never changed in place, so that a frame's tracks can be kept.
        started: how many numbers were given out.
    """

    def __init__(self, tracks: Sequence[Track] = (), started: int = 0):
        _solver()  # now, lest the first frame waits half a second for it
        self.tracks: tuple[Track, ...] = tuple(tracks)
        self.started = started

    def update(self, found: Detections, time: float, whole: bool = True) -> list[int]:
        """Take the faces of the next frame.

        Args:
            found: the faces.
            time: of the frame, in seconds; later than that of the last one.
            whole: whether all of the frame was searched.

        Returns:
            the number of each face, in the order of ``found``.
        """
        predicted = self._remembered(time)
        measured = to_centres(found.boxes)
        partner = associate(predicted, measured, found.scores)
        updated = {track.number: track for track in predicted}
        numbers: list[int] = []
        for row, column in zip(measured, partner, strict=True):
            track = self._start(row, time) if column is None else correct(predicted[column], row, time, whole)
            updated[track.number] = track
            numbers.append(track.number)
        self.tracks = tuple(updated.values())
        return numbers

    def expected(self, time: float) -> FloatArray:
        """Boxes of the faces that should be in a frame, N x 4; nothing is learnt from it.

        What only quick looks have seen for some time is left out: those are easily content with what is no face.
        """
        confirmed = (track for track in self._remembered(time) if time - track.confirmed <= MEMORY)
        return np.array([track.box for track in confirmed], np.float32).reshape(-1, 4)

    def predicted(self, time: float, height: int, width: int) -> tuple[list[int], Detections]:
        """Numbers and boxes of the faces that should be in a frame nobody searched; nothing is learnt from it.

        Args:
            time: of the frame, in seconds.
            height, width: of the frame in pixels; faces whose centre has left it are left out.

        Returns:
            The faces that were seen at the last detection; without landmarks, their score is 0.
        """
        latest = max((track.seen for track in self.tracks), default=0.0)
        moved = (predict(track, time) for track in self.tracks if track.seen == latest)
        inside = [(track.number, track.box) for track in moved if _is_inside(track.box, height, width)]
        boxes = np.array([box for _, box in inside], np.float32).reshape(-1, 4)
        return [number for number, _ in inside], Detections(boxes, np.zeros(len(boxes), np.float32))

    def end_all(self) -> None:
        """Forget all faces, as after a cut; numbers are not given out again."""
        self.tracks = ()

    def _remembered(self, time: float) -> list[Track]:
        return [predict(track, time) for track in self.tracks if is_remembered(track, time)]

    def _start(self, measured: Floats, time: float) -> Track:
        self.started += 1
        spread = np.diag([POSITION_NOISE**2, START_SPEED**2])
        return Track(self.started, time, time, np.stack([measured, np.zeros(4)], axis=1), spread, time)


def is_remembered(track: Track, time: float) -> bool:
    """Whether a face keeps its number: it was seen not long ago, or in the very last frame, since no frame is no absence."""
    return time - track.seen <= MEMORY or track.seen == track.time


def predict(track: Track, time: float) -> Track:
    """The track at a later time, moving on as it did (for `MEMORY` at most), and less certain."""
    elapsed = min(time - track.time, MEMORY)
    step = np.array([[1.0, elapsed], [0.0, 1.0]])
    noise = ACCELERATION**2 * np.array([[elapsed**3 / 3, elapsed**2 / 2], [elapsed**2 / 2, elapsed]])
    mean = track.mean @ step.T
    mean[2:] = track.mean[2:]  # sizes are smoothed but not extrapolated: a face never shrinks to nothing while unseen
    return replace(track, time=time, mean=mean, spread=step @ track.spread @ step.T + noise)


def correct(track: Track, measured: Floats, time: float, whole: bool = True) -> Track:
    """The predicted track after its face was seen as ``measured`` (centre x, centre y, width, height)."""
    gain = track.spread[:, 0] / (track.spread[0, 0] + POSITION_NOISE**2)
    mean = track.mean + (measured - track.mean[:, 0])[:, None] * gain
    mean[2:, 1] = 0.0
    spread = track.spread - np.outer(gain, track.spread[0])
    return replace(track, seen=time, time=time, mean=mean, spread=spread, confirmed=time if whole else track.confirmed)


def associate(tracks: Sequence[Track], measured: Floats, scores: FloatArray) -> list[int | None]:
    """The track of each face, or None for a new one.

    Args:
        tracks: predicted at the frame's time.
        measured: N x 4 centres and sizes.
        scores: N, 0..1.
    """
    cost = distances(tracks, measured)
    partner: list[int | None] = [None] * len(measured)
    for chosen in (np.flatnonzero(scores >= CONFIDENT), np.flatnonzero(scores < CONFIDENT)):
        free = np.setdiff1d(np.arange(len(tracks)), [column for column in partner if column is not None])
        for row, column in assign(cost[np.ix_(chosen, free)], GATE):
            partner[int(chosen[row])] = int(free[column])
    return partner


def distances(tracks: Sequence[Track], measured: Floats) -> Floats:
    """Squared Mahalanobis distances of centres, N faces x M tracks; infinite where sizes differ too much."""
    if not tracks or not len(measured):
        return np.full((len(measured), len(tracks)), np.inf)
    means = np.stack([track.mean[:, 0] for track in tracks])
    sizes = np.array([track.size for track in tracks])
    variance = np.array([track.spread[0, 0] for track in tracks]) + POSITION_NOISE**2
    shift = (measured[:, None, :2] - means[None, :, :2]) / sizes[None, :, None]
    growth = np.log(measured[:, 2:].max(axis=1)[:, None].clip(1) / sizes[None])
    squared = (shift**2).sum(axis=2) / variance + (growth / (SIZE_CHANGE / 2)) ** 2
    return np.where(np.abs(growth) > SIZE_CHANGE, np.inf, squared)


def assign(cost: Floats, limit: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns with the least total cost, where a row may stay alone at the cost ``limit``.

    Args:
        cost: rows x columns; a pair that costs more than ``limit`` (infinity, for one) is never made.
        limit: what each row costs that stays alone.

    Example:
        >>> assign(np.array([[1.0, 2.0], [1.5, 9.0]]), limit=5.0)
        [(0, 1), (1, 0)]
    """
    # A pair at the cost of the limit stands for a row that stays alone: it changes no total, and is left out below.
    rows, columns = _solver()(np.where(cost <= limit, cost, limit))
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if cost[row, column] <= limit]


def _solver() -> Callable[[Floats], tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """SciPy's; imported late, as PyAV is: this module can then be imported without the extra, and quickly."""
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment


def to_centres(boxes: NDArray[np.floating]) -> Floats:
    """Boxes ``xyxy`` as centre x, centre y, width, height."""
    corners = boxes.astype(np.float64).reshape(-1, 4)
    return np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])


def _is_inside(box: Floats, height: int, width: int) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(0 <= x < width and 0 <= y < height)
