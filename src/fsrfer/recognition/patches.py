"""Small pictures about places where faces are expected, all of one size, for a quick look."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsrfer.types import Detections, FloatArray, UInt8Image


@dataclass(frozen=True, slots=True)
class Look:
    """How patches are taken.

    Attributes:
        side: of a patch, in pixels.
        face: height in pixels that the expected face has in it.
    """

    side: int
    face: int


LOOKS = (Look(64, 24), Look(96, 44))
"""The cheapest that finds nearly all, and one for the faces that it missed."""

MOST_ASIDE = 0.25
"""Sides of a patch: how far from its middle the face may be."""

MOST_LARGER = 2.0
"""How many times larger or smaller than expected a face may be."""

FINEST = 2
"""Patches of large faces are taken from every n-th pixel, so that this many are left for each pixel of the patch."""


@dataclass(frozen=True, slots=True)
class Patches:
    """Square parts of a picture, each brought to one size.

    Attributes:
        look: how they were taken.
        pictures: uint8, N x side x side x 3.
        origins: float32, N x 2: where the top left corner of each is in the picture, in pixels.
        scales: float32, N: pixels of the picture for one of the patch.
    """

    look: Look
    pictures: UInt8Image
    origins: FloatArray
    scales: FloatArray


def cut(image: UInt8Image, expected: FloatArray, look: Look) -> Patches:
    """The surroundings of each expected face; black where they leave the picture.

    Args:
        image: RGB, height x width x 3.
        expected: N x 4, ``xyxy`` in pixels.
        look: how large the patches and the faces in them are.
    """
    pictures = np.zeros((len(expected), look.side, look.side, 3), np.uint8)
    origins, scales = np.zeros((len(expected), 2), np.float32), np.zeros(len(expected), np.float32)
    for number, (left, top, side, step) in enumerate(_squares(expected, look)):
        part = Image.fromarray(_square(image, left, top, side, step))
        pictures[number] = np.asarray(part.resize((look.side, look.side), Image.Resampling.BILINEAR, reducing_gap=1.0))
        origins[number], scales[number] = (left, top), side / look.side
    return Patches(look, pictures, origins, scales)


def _squares(expected: FloatArray, look: Look) -> Iterator[tuple[int, int, int, int]]:
    """``(left, top, side, step)``: whole pixels, of which every ``step``-th is taken."""
    sides = np.maximum((expected[:, 2:] - expected[:, :2]).max(axis=1, initial=0) * look.side / look.face, 1)
    steps = np.maximum(sides // (FINEST * look.side), 1).astype(int)
    sides = np.ceil(sides / steps).astype(int) * steps
    corners = np.rint((expected[:, :2] + expected[:, 2:] - sides[:, None]) / 2).astype(int)
    yield from zip(*corners.T.tolist(), sides.tolist(), steps.tolist(), strict=True)


def _square(image: UInt8Image, left: int, top: int, side: int, step: int) -> UInt8Image:
    before_x, before_y = -(min(left, 0) // step), -(min(top, 0) // step)
    part = image[top + before_y * step : max(top + side, 0) : step, left + before_x * step : max(left + side, 0) : step]
    count = side // step
    if part.shape[:2] == (count, count):
        return np.ascontiguousarray(part)
    square = np.zeros((count, count, 3), np.uint8)
    square[before_y : before_y + part.shape[0], before_x : before_x + part.shape[1]] = part
    return square


def best_of_each(found: Detections, numbers: NDArray[np.int_], look: Look) -> NDArray[np.int_]:
    """Which of all that was found is the expected face of its patch; none where nothing like it is there.

    Args:
        found: boxes in pixels of their patches.
        numbers: the patch of each.
        look: how the patches were taken.
    """
    centres, sizes = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2, (found.boxes[:, 2:] - found.boxes[:, :2]).max(1)
    is_near = (np.abs(centres - look.side / 2) <= MOST_ASIDE * look.side).all(axis=1)
    is_alike = (sizes <= look.face * MOST_LARGER) & (sizes >= look.face / MOST_LARGER)
    fitting = np.flatnonzero(is_near & is_alike)
    order = fitting[np.argsort(-found.scores[fitting], kind="stable")]
    _, first = np.unique(numbers[order], return_index=True)
    return np.asarray(order[first])


def in_picture(found: Detections, patches: Patches, numbers: NDArray[np.int_]) -> Detections:
    """Faces in pixels of the picture, not of the patches, ``numbers``, that each is in."""
    scales, origins = patches.scales[numbers, None], patches.origins[numbers]
    boxes = found.boxes * scales + np.tile(origins, 2)
    landmarks = None if found.landmarks is None else found.landmarks * scales[..., None] + origins[:, None]
    return Detections(boxes, found.scores, landmarks)
