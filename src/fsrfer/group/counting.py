"""Plain counts of a group: what was answered, and how often, with nothing corrected."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fsrfer.labels import EXPRESSIONS, by_name, in_order
from fsrfer.types import Expression, Face, Group

SIZE_EDGES = (8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 96.0)
"""Edges of the bins of face height, in pixels."""

_COUNTED = ("faces", "too_small", "uncertain", "sizes", "answers", "sums")


class Counts:
    """Any number of faces, counted.

    Attributes:
        faces, too_small, uncertain: see `Group`.
        sizes: int64: faces by the bins of ``size_px`` between `SIZE_EDGES`, those too small included.
        answers: int64, 7: faces that are large enough, by their most probable expression.
        sums: float64, 7: of the same faces' probabilities.
    """

    def __init__(self) -> None:
        self.faces = self.too_small = self.uncertain = 0
        self.sizes = np.zeros(len(SIZE_EDGES) + 1, np.int64)
        self.answers, self.sums = np.zeros(len(EXPRESSIONS), np.int64), np.zeros(len(EXPRESSIONS))

    def count(self, answer: Expression | Face, too_small: bool) -> None:
        """Count one face."""
        self.faces += 1
        self.too_small += too_small
        self.uncertain += not answer.certain
        self.sizes[int(np.digitize(answer.size_px, SIZE_EDGES))] += 1
        if not too_small:
            self.answers[EXPRESSIONS.index(answer.expression)] += 1
            self.sums += in_order(answer.probabilities)

    def count_all(self, other: "Counts") -> None:
        """Count all faces of another group too."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def counted(self) -> int:
        """Faces that are large enough for the shares."""
        return self.faces - self.too_small

    @property
    def by_size(self) -> dict[str, int]:
        """Faces in each bin of heights."""
        return dict(zip(size_labels(), self.sizes.tolist(), strict=True))

    @property
    def by_expression(self) -> dict[str, int]:
        """Faces that are large enough, by what was answered of each."""
        return dict(zip(EXPRESSIONS, self.answers.tolist(), strict=True))

    @property
    def group(self) -> Group:
        """The counts as they are reported: shares and means to six places."""
        counted = max(self.counted, 1)
        return Group(
            faces=self.faces,
            uncertain=self.uncertain,
            too_small=self.too_small,
            shares=_rounded(self.answers / counted),
            mean_probabilities=_rounded(self.sums / counted),
        )

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain values that JSON can hold."""
        return {name: np.asarray(getattr(self, name)).tolist() for name in _COUNTED}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_dict`."""
        counts = cls()
        for name in _COUNTED:
            zero = getattr(counts, name)
            setattr(counts, name, np.array(values[name], zero.dtype) if isinstance(zero, np.ndarray) else values[name])
        return counts


def count_group(faces: Iterable[Face]) -> Group:
    """All faces of a photo or frame together."""
    counts = Counts()
    for face in faces:
        counts.count(face, face.too_small)
    return counts.group


def size_labels() -> Sequence[str]:
    """Names of the bins between `SIZE_EDGES`."""
    edges = [f"{edge:g}" for edge in SIZE_EDGES]
    return [f"under {edges[0]}", *(f"{low}-{high}" for low, high in pairwise(edges)), f"{edges[-1]} and over"]


def _rounded(values: NDArray[np.floating]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in by_name(values).items()}
