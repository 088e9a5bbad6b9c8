"""Accuracy against down-sampling factor: each face is shrunk, brought back to its size, and classified."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from fsrfer.images import shrink_and_restore
from fsrfer.types import FloatArray, UInt8Image

Predict = Callable[[Sequence[UInt8Image]], FloatArray]
"""Faces of any sizes (uint8, grey or RGB) to probabilities, N x 7."""

Track = Callable[[Iterable[int]], Iterable[int]]


def probabilities_at(
    predict: Predict,
    load: Callable[[int], UInt8Image],
    count: int,
    factor: float,
    track: Track = iter,
    batch: int = 256,
) -> FloatArray:
    """Probabilities of ``count`` faces shrunk by ``factor`` and restored; faces are loaded a batch at a time.

    Returns:
        float32, count x 7.
    """
    answers = [
        predict([shrink_and_restore(load(i), factor) for i in rows]) for rows in _batches(track(range(count)), batch)
    ]
    return np.concatenate(answers)


def _batches(indices: Iterable[int], batch: int) -> Iterator[list[int]]:
    waiting: list[int] = []
    for index in indices:
        waiting.append(index)
        if len(waiting) == batch:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
