"""From many uncertain faces to what can be said of the group: shares with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fsrfer.group.counting import SIZE_EDGES, Counts
from fsrfer.group.quantification import confusion_at, likelihood, posterior_shares
from fsrfer.labels import EXPRESSIONS, in_order
from fsrfer.model_file import ModelInfo
from fsrfer.types import Expression, Face

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Of the intervals."""

TRUST = 0.75
"""Each face counts as this much of one: probabilities are never quite calibrated on faces of another kind (a power
posterior: Miller & Dunson, JASA 114, 2019). ``benchmarks/quantification.py`` shows the coverage that it gives."""

VALENCE = {"happiness": 1.0, "sadness": -1.0, "anger": -1.0, "fear": -1.0, "disgust": -1.0}
"""Weights of the valence-like summary; neutral and surprise, which may be either, count 0."""

MOST_ROWS = 2048
"""Of a tally; beyond, alike faces share a row."""

_COUNT, _HEIGHT, _CLASSES = 0, 1, slice(2, None)
"""Columns of a tally's rows: how many faces, the sum of their heights, the sums of their probabilities."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share, 0..1 (or a summary of shares, -1..1), and the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Rounded, as plain values."""
        return {"value": round(self.value, 5), "low": round(self.low, 5), "high": round(self.high, 5)}


@dataclass(frozen=True, slots=True)
class GroupEstimate:
    """What can be said of a group.

    Attributes:
        faces: how many were seen, those too small included.
        counted: how many the shares rest on.
        too_small: how many were not counted because they are below the smallest size asked for.
        uncertain: how many have no certain expression, those too small included.
        shares: of each expression among the counted faces, with intervals for the crowd that they stand for; empty if none
            was counted.
        valence: the share of happiness less those of sadness, anger, fear and disgust, -1..1; None if none was counted.
        corrected: whether the shares are corrected for the model's known confusion at these sizes.
    """

    faces: int
    counted: int
    too_small: int
    uncertain: int
    shares: Mapping[str, Share]
    valence: Share | None
    corrected: bool

    def to_dict(self) -> dict[str, Any]:
        """The group as plain values that JSON can hold."""
        return {
            "faces": self.faces,
            "counted": self.counted,
            "too_small": self.too_small,
            "uncertain": self.uncertain,
            "corrected": self.corrected,
            "shares": {name: share.to_dict() for name, share in self.shares.items()},
            "valence": self.valence and self.valence.to_dict(),
        }


class Tally(Counts):
    """Any number of faces in constant memory: one by one at first, alike ones together once there are many."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Floats] = []

    def add(self, answer: Expression | Face, too_small: bool) -> None:
        """Take one face. Its row goes by the effective height if there is one, as the model's confusion does."""
        self.count(answer, too_small)
        if not too_small:
            height = answer.size_px if answer.effective_px is None else answer.effective_px
            self._rows.append(np.array([1.0, height, *in_order(answer.probabilities)]))
            self._bound()

    def merge(self, other: "Tally") -> None:
        """Take all faces of another tally."""
        self.count_all(other)
        self._rows += other._rows
        self._bound()

    def rows(self) -> tuple[Floats, Floats, Floats]:
        """Mean probabilities (N x 7), mean heights (N) and numbers of faces (N), a row for one or several alike faces."""
        rows = np.array(self._rows).reshape(-1, 2 + len(EXPRESSIONS))
        counts = rows[:, _COUNT]
        return rows[:, _CLASSES] / counts[:, None], rows[:, _HEIGHT] / counts, counts

    def to_dict(self) -> dict[str, Any]:
        """The tally as plain values that JSON can hold."""
        return {**super().to_dict(), "rows": [row.tolist() for row in self._rows]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`."""
        tally = super().from_dict(values)
        tally._rows = [np.array(row) for row in values["rows"]]
        return tally

    def _bound(self) -> None:
        if len(self._rows) > MOST_ROWS:
            self._rows = list(join_alike(np.array(self._rows), MOST_ROWS // 2))


class Average(Counts):
    """Groups summed up by their counts and estimates alone: nothing of single faces is kept, not even in memory.

    The intervals are averaged like the shares, as if all groups erred alike: wider than a tally's, never too narrow for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shares = np.zeros((len(EXPRESSIONS) + 1, 3))
        self._corrected = True

    def add(self, counts: Counts, group: GroupEstimate) -> None:
        """Take one group."""
        self.count_all(counts)
        self._corrected &= group.corrected
        if group.valence is not None:
            shares = [*group.shares.values(), group.valence]
            self._shares += group.counted * np.array([[share.value, share.low, share.high] for share in shares])

    def estimate(self) -> GroupEstimate:
        """All groups together, weighted by their faces."""
        shares = [Share(*row) for row in (self._shares / max(self.counted, 1)).tolist()]
        some = self.counted > 0
        return GroupEstimate(
            faces=self.faces,
            counted=self.counted,
            too_small=self.too_small,
            uncertain=self.uncertain,
            shares=dict(zip(EXPRESSIONS, shares[:-1], strict=True)) if some else {},
            valence=shares[-1] if some else None,
            corrected=self._corrected and some,
        )

    def to_dict(self) -> dict[str, Any]:
        """The sums as plain values that JSON can hold."""
        return {**super().to_dict(), "shares": self._shares.tolist(), "corrected": self._corrected}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`."""
        average = super().from_dict(values)
        average._shares, average._corrected = np.array(values["shares"]), values["corrected"]
        return average


def join_alike(rows: Floats, most: int) -> Floats:
    """At most ``most`` rows in which faces of about one size and the same probabilities are summed, as finely as that allows
    (never so coarsely that faces of all kinds are joined).

    Args:
        rows: of a tally: number of faces, sum of heights, sums of probabilities.
    """
    counts = rows[:, [_COUNT]]
    bins = np.digitize(rows[:, _HEIGHT] / counts[:, 0], SIZE_EDGES)
    for levels in (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1):
        keys = np.column_stack([bins, np.round(np.sqrt(rows[:, _CLASSES] / counts) * levels)])
        _, place = np.unique(keys, axis=0, return_inverse=True)
        if place.max() < most:
            break
    joined = np.zeros((int(place.max()) + 1, rows.shape[1]))
    np.add.at(joined, place.reshape(-1), rows)
    return joined


def estimate(tally: Tally, info: ModelInfo, people: float | None = None) -> GroupEstimate:
    """What a tally says of the group.

    Args:
        tally: the faces.
        info: of the model that gave the probabilities; without ``confusion`` nothing is corrected.
        people: how many independent faces there are, where the same ones were tallied more than once.
    """
    probabilities, heights, counts = tally.rows()
    confusions = {float(height): np.array(rows, np.float64) for height, rows in info.confusion.items()}
    shares: dict[str, Share] = {}
    valence = None
    if len(counts):
        independent = 1.0 if people is None else min(1.0, people / counts.sum())
        of_faces, of_crowd = draw_shares(probabilities, heights, counts * independent * TRUST, confusions)
        columns = zip(of_faces.T, of_crowd.T, strict=True)
        shares = dict(zip(EXPRESSIONS, (_share(*column) for column in columns), strict=True))
        weights = np.array([VALENCE.get(name, 0.0) for name in EXPRESSIONS])
        valence = _share(of_faces @ weights, of_crowd @ weights)
    return GroupEstimate(
        faces=tally.faces,
        counted=tally.counted,
        too_small=tally.too_small,
        uncertain=tally.uncertain,
        shares=shares,
        valence=valence,
        corrected=bool(confusions),
    )


def draw_shares(
    probabilities: Floats, heights: Floats, counts: Floats, confusions: Mapping[float, Floats]
) -> tuple[Floats, Floats]:
    """Draws of the shares; see `posterior_shares`. Without confusions, the probabilities are taken at their word."""
    priors = np.stack([_expected(confusions, float(height)) for height in heights])
    return posterior_shares(likelihood(probabilities, priors), counts, np.random.default_rng(0))


def _expected(confusions: Mapping[float, Floats], height: float) -> Floats:
    """Shares that the model expects of faces of some height: what it said of the calibration faces."""
    if not confusions:
        return np.full(len(EXPRESSIONS), 1.0 / len(EXPRESSIONS))
    said = confusion_at(confusions, height).sum(axis=0)
    return np.asarray(said / said.sum())


def _share(of_faces: Floats, of_crowd: Floats) -> Share:
    """The mean of these faces' share, in an interval for theirs and the crowd's (only theirs can be exactly 0 or 1)."""
    value = float(of_faces.mean())
    ends = np.quantile(np.stack([of_faces, of_crowd]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return Share(value, min(float(ends[0].min()), value), max(float(ends[1].max()), value))
