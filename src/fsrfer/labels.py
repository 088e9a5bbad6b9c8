"""Expression classes, the orders other data sets use, and the names people write for them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fsrfer.errors import DataError

EXPRESSIONS: tuple[str, ...] = (
    "surprise",
    "fear",
    "disgust",
    "happiness",
    "sadness",
    "anger",
    "neutral",
)
"""The seven classes in RAF-DB's order (its labels 1..7), the order of every array in this package."""

FERPLUS_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "not-a-face",
)
"""The ten vote columns of a FER+ ``label.csv``, in file order."""

FER2013_CLASSES: tuple[str, ...] = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
)
"""FER2013's labels 0..6."""

AFFECTNET_CLASSES: tuple[str, ...] = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
)
"""AffectNet's labels 0..7."""

_SYNONYMS = {
    "surprise": ("surprised", "surprising", "su"),
    "fear": ("afraid", "scared", "fearful", "fe"),
    "disgust": ("disgusted", "di"),
    "happiness": ("happy", "joy", "smile", "ha"),
    "sadness": ("sad", "sa"),
    "anger": ("angry", "mad", "an"),
    "neutral": ("neutrality", "none", "calm", "ne"),
}
_CANONICAL = {word: name for name, words in _SYNONYMS.items() for word in (name, *words)}


def canonical(name: str) -> str:
    """The package's name for an expression written in any usual way.

    Raises:
        DataError: the word names none of the seven expressions.

    Example:
        >>> canonical("Happy"), canonical("AN")
        ('happiness', 'anger')
    """
    try:
        return _CANONICAL[name.strip().lower()]
    except KeyError:
        raise DataError(
            f"unknown expression {name!r}: use one of {', '.join(EXPRESSIONS)} (or a usual synonym, such as happy)"
        ) from None


def is_expression(name: str) -> bool:
    """Whether ``name`` is one of the seven expressions or a known synonym."""
    return name.strip().lower() in _CANONICAL


def index_of(name: str) -> int:
    """Position of an expression, by any of its names, in `EXPRESSIONS`."""
    return EXPRESSIONS.index(canonical(name))


def by_name(values: Sequence[float] | NDArray[np.floating]) -> dict[str, float]:
    """Seven numbers in the order of `EXPRESSIONS`, as a dictionary by name."""
    return {name: float(value) for name, value in zip(EXPRESSIONS, values, strict=True)}


def in_order(values: Mapping[str, float]) -> NDArray[np.float64]:
    """The reverse of `by_name`: float64, 7."""
    return np.array([values[name] for name in EXPRESSIONS])
