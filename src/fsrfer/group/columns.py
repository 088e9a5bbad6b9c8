"""Many faces as columns, as tables hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsrfer.errors import DataError
from fsrfer.labels import EXPRESSIONS


@dataclass(frozen=True, slots=True)
class FaceColumns:
    """N rows, each one face or several alike.

    Attributes:
        heights: float64, N: of the boxes, in pixels.
        effective: float64, N: heights that the detail amounts to; the box's where the model does not tell.
        probabilities: float64, N x 7 in the order of `EXPRESSIONS`.
        answers: int64, N: the most probable of them.
        certain, too_small: bool, N.
        counts: float64, N: faces of the row.
    """

    heights: NDArray[np.float64]
    effective: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    answers: NDArray[np.int64]
    certain: NDArray[np.bool_]
    too_small: NDArray[np.bool_]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Mapping[str, ArrayLike], counts: ArrayLike | None = None) -> Self:
        """The columns of a table of faces.

        Args:
            columns: ``size_px``, ``effective_px`` (NaN or masked where it is not told; may be left out), ``certain``,
                ``too_small``, and the seven probabilities by name; others are passed over.
            counts: faces of each row; None for one each.

        Raises:
            DataError: one is missing, of another length, or holds something else.
        """
        heights = _numbers(columns, "size_px")
        effective = _numbers(columns, "effective_px") if "effective_px" in columns else heights
        probabilities = np.column_stack([_numbers(columns, name) for name in EXPRESSIONS])
        certain, too_small = (_numbers(columns, name).astype(bool) for name in ("certain", "too_small"))
        faces = np.ones(len(heights)) if counts is None else np.asarray(counts, np.float64)
        if not np.isfinite(probabilities).all() or not (faces > 0).all():
            raise DataError(
                "columns of faces: a probability is no number, or a count is not above 0; leave such rows out"
            )
        if len({len(column) for column in (heights, effective, probabilities, certain, too_small, faces)}) > 1:
            raise DataError("columns of faces: they are not of one length; fetch them in one query")
        effective = np.where(np.isfinite(effective), effective, heights)
        return cls(heights, effective, probabilities, probabilities.argmax(axis=1), certain, too_small, faces)


def _numbers(columns: Mapping[str, ArrayLike], name: str) -> NDArray[np.float64]:
    if name not in columns:
        raise DataError(f"columns of faces: {name} is missing; select it too")
    column: Any = columns[name]
    try:
        return np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"columns of faces: {name} holds something else than numbers ({error})") from error
