"""From many unsure faces to what can be said of the group: shares with intervals, and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.quantification import confusion_at, likelihood, posterior_shares
from fsrfer.types import FloatArray

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Of the intervals."""

TRUST = 0.8
"""Each face counts as this much of one: probabilities are never quite calibrated on faces of another kind (a power
posterior: Miller & Dunson, JASA 114, 2019). ``benchmarks/quantification.py`` shows the coverage that it gives."""

VALENCE = {"happiness": 1.0, "sadness": -1.0, "anger": -1.0, "fear": -1.0, "disgust": -1.0}
"""Weights of the valence-like summary; neutral and surprise, which may be either, count 0."""

SIZE_EDGES = (8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 96.0)
"""Edges of the bins of face height, in pixels."""

CERTAINTY_EDGES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

_SHAPE = (len(SIZE_EDGES) + 1, len(EXPRESSIONS), len(CERTAINTY_EDGES) + 1)
_CELLS = int(np.prod(_SHAPE))


@dataclass(frozen=True, slots=True)
class Share:
    """A share, 0..1 (or a summary of shares, -1..1), and the ends of its 95% interval."""

    value: float
    low: float
    high: float


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


class Tally:
    """Any number of faces in constant memory: alike ones (size, answer, certainty) share a cell.

    Attributes:
        faces, too_small, uncertain: see `GroupEstimate`.
        sizes: int64: faces by the bins between `SIZE_EDGES`, those too small included.
    """

    def __init__(self) -> None:
        self.faces = self.too_small = self.uncertain = 0
        self.sizes = np.zeros(len(SIZE_EDGES) + 1, np.int64)
        self._counts = np.zeros(_CELLS)
        self._sums = np.zeros((_CELLS, len(EXPRESSIONS)))
        self._heights = np.zeros(_CELLS)

    def add(self, probabilities: FloatArray, size_px: float, certain: bool, too_small: bool) -> None:
        """Take one face; see `fsrfer.types.Face`."""
        size_bin = int(np.digitize(size_px, SIZE_EDGES))
        self.faces += 1
        self.too_small += too_small
        self.uncertain += not certain
        self.sizes[size_bin] += 1
        if too_small:
            return
        best = int(probabilities.argmax())
        certainty_bin = int(np.digitize(probabilities[best], CERTAINTY_EDGES))
        cell = int(np.ravel_multi_index((size_bin, best, certainty_bin), _SHAPE))
        self._counts[cell] += 1
        self._sums[cell] += probabilities
        self._heights[cell] += size_px

    def merge(self, other: "Tally") -> None:
        """Take all faces of another tally."""
        self.faces += other.faces
        self.too_small += other.too_small
        self.uncertain += other.uncertain
        self.sizes += other.sizes
        self._counts += other._counts
        self._sums += other._sums
        self._heights += other._heights

    @property
    def counted(self) -> int:
        """Faces that are large enough for the shares."""
        return self.faces - self.too_small

    def cells(self) -> tuple[Floats, Floats, Floats]:
        """Mean probabilities (N x 7), mean heights (N) and counts (N) of the cells that hold faces."""
        held = self._counts > 0
        counts = self._counts[held]
        return self._sums[held] / counts[:, None], self._heights[held] / counts, counts

    def mixed(self, least: int) -> "Tally":
        """The same faces with neighbouring cells joined until each holds at least ``least``, so that none speaks for one face.

        (Microaggregation: Domingo-Ferrer & Mateo-Sanz, IEEE TKDE 14, 2002.)
        """
        mixed = Tally()
        mixed.faces, mixed.too_small, mixed.uncertain = self.faces, self.too_small, self.uncertain
        mixed.sizes = self.sizes.copy()
        target, waiting = -1, 0.0
        for cell in np.flatnonzero(self._counts).tolist():
            is_last_too_few = self._counts[cell:].sum() < least
            if target < 0 or (waiting >= least and not is_last_too_few):
                target, waiting = cell, 0.0
            waiting += self._counts[cell]
            mixed._counts[target] += self._counts[cell]
            mixed._sums[target] += self._sums[cell]
            mixed._heights[target] += self._heights[cell]
        return mixed

    def to_dict(self) -> dict[str, Any]:
        """The tally as plain values that JSON can hold."""
        held = np.flatnonzero(self._counts)
        return {
            "faces": self.faces,
            "too_small": self.too_small,
            "uncertain": self.uncertain,
            "sizes": self.sizes.tolist(),
            "cells": held.tolist(),
            "counts": self._counts[held].tolist(),
            "sums": self._sums[held].tolist(),
            "heights": self._heights[held].tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Tally":
        """The reverse of `to_dict`."""
        tally = cls()
        tally.faces, tally.too_small, tally.uncertain = values["faces"], values["too_small"], values["uncertain"]
        tally.sizes = np.array(values["sizes"], np.int64)
        held = np.array(values["cells"], int)
        tally._counts[held] = values["counts"]
        tally._sums[held] = np.array(values["sums"]).reshape(-1, len(EXPRESSIONS))
        tally._heights[held] = values["heights"]
        return tally


def estimate(tally: Tally, info: ModelInfo, people: float | None = None) -> GroupEstimate:
    """What a tally says of the group.

    Args:
        tally: the faces.
        info: of the model that gave the probabilities; without ``confusion`` nothing is corrected.
        people: how many independent faces there are, where the same ones were tallied more than once.
    """
    probabilities, heights, counts = tally.cells()
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


def size_labels() -> Sequence[str]:
    """Names of the bins between `SIZE_EDGES`."""
    edges = [f"{edge:g}" for edge in SIZE_EDGES]
    return [f"under {edges[0]}", *(f"{low}-{high}" for low, high in pairwise(edges)), f"{edges[-1]} and over"]
