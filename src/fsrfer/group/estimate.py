"""From many uncertain faces to what can be said of the group: shares with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsrfer.group.columns import FaceColumns
from fsrfer.group.counting import SIZE_EDGES, Counts
from fsrfer.group.quantification import confusion_at, design_effect, likelihood, posterior_shares
from fsrfer.labels import EXPRESSIONS, in_order
from fsrfer.model_file import ModelInfo
from fsrfer.types import Expression, Face, Group, GroupEstimate, Share

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Of the intervals."""

LEAST_PEOPLE = 5
"""Of fewer, each face's answer says more than an interval that reaches from almost none to almost all."""

VALENCE = {"happiness": 1.0, "sadness": -1.0, "anger": -1.0, "fear": -1.0, "disgust": -1.0}
"""Weights of the valence-like summary; neutral and surprise, which may be either, count 0."""

_VALENCE = np.array([VALENCE.get(name, 0.0) for name in EXPRESSIONS])

MOST_ROWS = 2048
"""Of a tally; beyond, alike faces share a row."""

_MOST_AT_ONCE = 100_000
"""Of the rows that are joined in one go."""

_COUNT, _HEIGHT, _CLASSES = 0, 1, slice(2, None)
"""Columns of a tally's rows: how many faces, the sum of their heights, the sums of their probabilities."""


class Tally(Counts):
    """Any number of faces in constant memory: one by one at first, alike ones together once there are many."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Floats] = []

    @classmethod
    def of(cls, faces: Iterable[Face]) -> Self:
        """All faces of a photo."""
        tally = cls()
        for face in faces:
            tally.add(face, face.too_small)
        return tally

    def add(self, answer: Expression | Face, too_small: bool) -> None:
        """Take one face. Its row goes by the effective height if there is one, as the model's confusion does."""
        self.count(answer, too_small)
        if not too_small:
            height = answer.size_px if answer.effective_px is None else answer.effective_px
            self._rows.append(np.array([1.0, height, *in_order(answer.probabilities)]))
            self._bound()

    def add_columns(self, columns: "FaceColumns") -> None:
        """Take many faces at once; what they say is as if they were taken one by one."""
        counts, large = columns.counts, ~columns.too_small
        self.faces += int(counts.sum())
        self.too_small += int(counts[~large].sum())
        self.uncertain += int(counts[~columns.certain].sum())
        bins = np.digitize(columns.heights, SIZE_EDGES)
        self.sizes += np.bincount(bins, counts, len(SIZE_EDGES) + 1).astype(np.int64)
        self.answers += np.bincount(columns.answers[large], counts[large], len(EXPRESSIONS)).astype(np.int64)
        weighted = columns.probabilities * counts[:, None]
        self.sums += weighted[large].sum(axis=0)
        rows = np.column_stack([counts, columns.effective * counts, weighted])[large]
        for start in range(0, len(rows), _MOST_AT_ONCE):
            part = rows[start : start + _MOST_AT_ONCE]
            self._rows += list(part if len(part) <= MOST_ROWS else join_alike(part, MOST_ROWS // 2))
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
        self._values = np.zeros(len(EXPRESSIONS) + 1)
        self._ends, self._with_ends = np.zeros((2, len(EXPRESSIONS) + 1)), 0
        self._corrected = True

    def add(self, counts: Counts, group: GroupEstimate) -> None:
        """Take one group."""
        self.count_all(counts)
        if group.valence is None:
            return
        self._corrected &= group.corrected
        shares = [*group.shares.values(), group.valence]
        values = np.array([share.value for share in shares])
        self._values += group.counted * values
        if group.has_intervals:
            self._ends += group.counted * (np.array([(share.low, share.high) for share in shares]).T - values)
            self._with_ends += group.counted

    def estimate(self, people: int) -> GroupEstimate:
        """All groups together, weighted by their faces.

        Args:
            people: how many different ones they are.
        """
        values = self._values / max(self.counted, 1)
        shares: list[Share] = [Share(value, None, None) for value in values.tolist()]
        if self._with_ends and people >= LEAST_PEOPLE:
            least = np.array([0.0] * len(EXPRESSIONS) + [-1.0])
            low, high = values + self._ends / self._with_ends
            shares = [
                Share(*row) for row in zip(values.tolist(), np.maximum(low, least), np.minimum(high, 1.0), strict=True)
            ]
        return _told(self, shares, self._corrected and self.counted > 0, people)

    def to_dict(self) -> dict[str, Any]:
        """The sums as plain values that JSON can hold."""
        sums = {"values": self._values.tolist(), "ends": self._ends.tolist(), "with_ends": self._with_ends}
        return {**super().to_dict(), **sums, "corrected": self._corrected}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`."""
        average = super().from_dict(values)
        average._values, average._ends = np.array(values["values"]), np.array(values["ends"])
        average._with_ends, average._corrected = values["with_ends"], values["corrected"]
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


def estimate(tally: Tally, info: ModelInfo, people: int | None = None) -> GroupEstimate:
    """What a tally says of the group: of `LEAST_PEOPLE` people or more with intervals.

    Args:
        tally: the faces.
        info: of the model that gave the probabilities; without ``confusion`` nothing is corrected.
        people: how many different ones the counted faces are, where the same ones were tallied more than once.
    """
    people = tally.counted if people is None else min(people, tally.counted)
    if people < LEAST_PEOPLE:
        values = tally.sums / max(tally.counted, 1)
        shares = [Share(value, None, None) for value in [*values.tolist(), float(values @ _VALENCE)]]
        return _told(tally, shares, False, people)
    probabilities, heights, counts = tally.rows()
    confusions = {float(height): np.array(rows, np.float64) for height, rows in info.confusion.items()}
    draws = draw_shares(probabilities, heights, counts, confusions)
    widened = np.sqrt(design_effect(draws.mean(axis=0), tally.counted, people, _calibration_faces(confusions)))
    columns = [*zip(draws.T, np.zeros(len(EXPRESSIONS)), strict=True), (draws @ _VALENCE, -1.0)]
    return _told(tally, [_share(column, widened, least) for column, least in columns], bool(confusions), people)


def estimate_group(faces: Iterable[Face], info: ModelInfo) -> Group:
    """All faces of a photo together: their plain counts, and what these say of the group."""
    tally = Tally.of(faces)
    return replace(tally.group, estimate=estimate(tally, info))


def estimate_columns(
    columns: Mapping[str, ArrayLike], info: ModelInfo, counts: ArrayLike | None = None, people: int | None = None
) -> GroupEstimate:
    """What the rows of a table of faces say of the group, as fetched from a data base or read from Parquet.

    Args:
        columns: those of `FaceColumns.of`, N long.
        info: of the model that gave the probabilities.
        counts: N, how many alike faces each row stands for, with the means of their numbers; None for one each.
        people: see `estimate`.

    Raises:
        DataError: a column is missing, or holds something else.
    """
    tally = Tally()
    tally.add_columns(FaceColumns.of(columns, counts))
    return estimate(tally, info, people)


def draw_shares(probabilities: Floats, heights: Floats, counts: Floats, confusions: Mapping[float, Floats]) -> Floats:
    """Draws of the shares; see `posterior_shares`. Without confusions, the probabilities are taken at their word."""
    priors = np.stack([_expected(confusions, float(height)) for height in heights])
    return posterior_shares(likelihood(probabilities, priors), counts.astype(np.int64), np.random.default_rng(0))


def _told(counts: Counts, shares: Sequence[Share], corrected: bool, people: int) -> GroupEstimate:
    """An estimate from the counts and from the shares, that of `VALENCE` last."""
    some = counts.counted > 0
    return GroupEstimate(
        faces=counts.faces,
        counted=counts.counted,
        too_small=counts.too_small,
        uncertain=counts.uncertain,
        shares=dict(zip(EXPRESSIONS, shares[:-1], strict=True)) if some else {},
        valence=shares[-1] if some else None,
        corrected=corrected,
        people=people,
    )


def _expected(confusions: Mapping[float, Floats], height: float) -> Floats:
    """Shares that the model expects of faces of some height: what it said of the calibration faces."""
    if not confusions:
        return np.full(len(EXPRESSIONS), 1.0 / len(EXPRESSIONS))
    said = confusion_at(confusions, height).sum(axis=0)
    return np.asarray(said / said.sum())


def _calibration_faces(confusions: Mapping[float, Floats]) -> Floats:
    """How many of each class the model was calibrated on, at the height with the fewest; without confusions, it is believed."""
    if not confusions:
        return np.full(len(EXPRESSIONS), np.inf)
    return np.asarray(np.min([rows.sum(axis=1) for rows in confusions.values()], axis=0))


def _share(draws: Floats, widened: float, least: float) -> Share:
    """The mean of some draws, in the interval that holds `LEVEL` of them, drawn apart from the mean by ``widened``."""
    value = float(draws.mean())
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    # Faces of a few kinds have shares of a few values: the mean may then lie beyond an end, which stays where it is.
    low -= (widened - 1) * max(value - low, 0.0)
    high += (widened - 1) * max(high - value, 0.0)
    return Share(value, min(max(float(low), least), value), max(min(float(high), 1.0), value))
