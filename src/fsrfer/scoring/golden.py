"""A few made crops whose answers every worker must give, so that no machine adds rows that others would not have."""

from collections.abc import Sequence

import numpy as np

from fsrfer.recognition.faces import CropModel
from fsrfer.scoring.errors import ScoringError

CROPS = 8

TOLERANCE = 1e-3
"""Of a probability: processors differ by their order of sums in the sixth digit, one that saturates by far more."""


def golden_answers(model: CropModel) -> list[list[float]]:
    """A model's answers to crops of noise of several grains, `CROPS` x 7."""
    size, rng = model.info.size, np.random.default_rng(0)
    pictures = []
    for number in range(CROPS):
        cells = 3 + 2 * number
        coarse = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        place = np.arange(size) * cells // size
        pictures.append(model.prepare(coarse[np.ix_(place, place)]))
    rows = model.answers(np.stack(pictures)).probabilities
    return [[round(value, 6) for value in row] for row in rows.tolist()]


def require_golden(model: CropModel, expected: Sequence[Sequence[float]]) -> None:
    """Check that the model answers here as it did where the run began.

    Raises:
        ScoringError: it does not.
    """
    worst = float(np.abs(np.array(golden_answers(model)) - np.array(expected)).max())
    if not worst <= TOLERANCE:
        raise ScoringError(
            f"the model answers differently on this machine (a probability by {worst:.2g}), whose processor or ONNX Runtime "
            "is another; score on machines of one kind, or with a model that is not in 8 bits"
        )
