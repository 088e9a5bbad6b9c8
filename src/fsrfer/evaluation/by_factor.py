"""Accuracy against down-sampling factor: each face is shrunk, brought back to its size, and classified."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from fsrfer.images import camera_picture, shrink_and_restore
from fsrfer.types import FloatArray, UInt8Image

Predict = Callable[[Sequence[UInt8Image]], FloatArray]
"""Faces of any sizes (uint8, grey or RGB) to probabilities, N x 7."""

Track = Callable[[Iterable[int]], Iterable[int]]

Degrade = Callable[[UInt8Image, float, int], UInt8Image]
"""A face, a factor and the face's number to the same face with less detail, at its own size."""


def plainly(face: UInt8Image, factor: float, _number: int) -> UInt8Image:
    """Shrunk and brought back, nothing else."""
    return shrink_and_restore(face, factor)


def by_camera(face: UInt8Image, factor: float, number: int) -> UInt8Image:
    """Shrunk by a poor camera (`fsrfer.images.CAMERA_TEST`: blur, noise, JPEG), then brought back."""
    return camera_picture(face, factor, seed=number)


def probabilities_at(
    predict: Predict,
    load: Callable[[int], UInt8Image],
    count: int,
    factor: float,
    track: Track = iter,
    batch: int = 256,
    degrade: Degrade = plainly,
) -> FloatArray:
    """Probabilities of ``count`` faces degraded by ``factor``; faces are loaded a batch at a time.

    Returns:
        float32, count x 7.
    """
    answers = [predict([degrade(load(i), factor, i) for i in rows]) for rows in _batches(track(range(count)), batch)]
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
