"""Faces of which an expression can be told and made pictures of which none can, framed, lit and shrunk alike."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from fsrfer.degradation import hiding
from fsrfer.images import CameraCondition, camera_picture, crop_faces, resize, shrink_and_restore
from fsrfer.types import FloatArray, UInt8Image

SIDE = 48
"""Side in pixels of what the network sees."""

DRAWN = 64
"""Side at which faces are hidden, so that what is drawn has no rougher edges than a photo."""

MOST = 8.0
"""Largest factor that pictures are shrunk by."""

CLEAR = 0.9
"""Share of voters who named an expression, from which a face is clear enough to be hidden, or to have something beside it."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What the network learns from.

    Attributes:
        pixels: uint8, N x 48 x 48.
        told: float32, N: how likely an expression can be told, 0..1.
        kinds: N names of how each was made.
    """

    pixels: UInt8Image
    told: FloatArray
    kinds: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.told)


def made_samples(
    faces: Sequence[UInt8Image],
    told: Sequence[float],
    pieces: Sequence[UInt8Image],
    seed: int,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Samples:
    """Each face as it is; of most that are clear also one that is hidden, and of some one with something harmless before it.

    Besides, pieces of pictures and made things that are no face.

    Args:
        faces: aligned, grey, square, of any sides.
        told: share of the voters who named an expression, for each.
        pieces: grey squares of pictures without faces.
        seed: of every chance; each face has its own.
        track: wraps the faces' numbers, to show progress.
    """
    rows = [
        row
        for number in track(range(len(faces)))
        for row in _of_face(faces[number], told[number], pieces, seed, number)
    ]
    pixels, shares, kinds = zip(*rows, strict=True)
    return Samples(np.stack(pixels), np.array(shares, np.float32), np.array(kinds))


Row = tuple[UInt8Image, float, str]


def _of_face(face: UInt8Image, told: float, pieces: Sequence[UInt8Image], seed: int, number: int) -> Iterator[Row]:
    rng = np.random.default_rng([seed, number])
    large = resize(face, (DRAWN, DRAWN))
    repeats = 1 if told > 0.65 else 5  # few faces have many voters who can tell nothing
    for _ in range(repeats):
        yield seen(framed(large, rng), rng), told, "face"
    piece = pieces[int(rng.integers(len(pieces)))]
    if rng.random() < 0.4:
        yield seen(piece, rng), 0.0, "piece of a picture"
    if rng.random() < 0.2:
        yield seen(hiding.no_face(piece, DRAWN, rng), rng), 0.0, "made thing"
    if told >= CLEAR and rng.random() < 0.35:
        yield seen(framed(disturbed(large, piece, rng), rng), rng), told, "disturbed"
    if told >= CLEAR and rng.random() < 0.8:
        kind, picture = spoilt(large, piece, rng)
        shrunk = lit(resize(picture, (SIDE, SIDE)), rng) if kind == "blurred" else seen(picture, rng)
        yield shrunk, 0.0, kind


def spoilt(face: UInt8Image, piece: UInt8Image, rng: Generator) -> tuple[str, UInt8Image]:
    """A face from which its expression is gone, and by what."""
    kind = str(rng.choice([*hiding.COVERED, "cut off", *hiding.SPOILT], p=[0.4, 0.1, 0.2, 0.12, 0.08, 0.04, 0.06]))
    if kind in hiding.COVERED:
        return kind, framed(hiding.COVERED[kind](face, piece, rng), rng)
    if kind in hiding.SPOILT:
        return kind, hiding.SPOILT[kind](face, rng)
    return kind, _cut(face, hiding.ILLEGIBLE_FROM, rng)


def disturbed(face: UInt8Image, piece: UInt8Image, rng: Generator) -> UInt8Image:
    """A face with something harmless before it, or its chin, forehead or a cheek cut off."""
    return hiding.harmless(face, piece, rng) if rng.random() < 0.5 else _cut(face, hiding.LEGIBLE_FROM, rng)


def _cut(face: UInt8Image, left: Mapping[hiding.Edge, tuple[float, float]], rng: Generator) -> UInt8Image:
    edges: tuple[hiding.Edge, ...] = ("bottom", "bottom", "top", "left", "right")
    edge = edges[rng.integers(len(edges))]
    return hiding.cut_off(face, edge, rng.uniform(*left[edge]))


def framed(face: UInt8Image, rng: Generator) -> UInt8Image:
    """A face as a box shows it that is a little too large or small, beside its place, or tilted."""
    side, border = len(face), len(face) // 4
    photo = np.pad(face, border, "edge")
    if rng.random() < 0.5:
        photo = np.asarray(Image.fromarray(photo).rotate(rng.normal(0, 9), Image.Resampling.BILINEAR))
    half = side / 2 * math.exp(rng.uniform(-0.16, 0.2))
    x, y = border + side / 2 + rng.normal(0, 0.035, 2) * side
    crops = crop_faces(photo, [[x - half, y - half, x + half, y + half]], side, 0.0)
    return np.asarray(crops[0], np.uint8)


def seen(picture: UInt8Image, rng: Generator) -> UInt8Image:
    """A picture in some light, as large as the network takes it, with the detail of one 1 to 8 times smaller."""
    small = lit(resize(picture, (SIDE, SIDE)), rng)
    if rng.random() < 0.25:
        return small
    factor = math.exp(rng.uniform(0, math.log(MOST)))
    if rng.random() < 0.6:
        return shrink_and_restore(small, factor)
    condition = CameraCondition(rng.uniform(0, 0.8), rng.uniform(0, 8), int(rng.integers(30, 96)))
    return camera_picture(small, factor, condition, int(rng.integers(2**31)))


def lit(picture: UInt8Image, rng: Generator) -> UInt8Image:
    """A picture with another contrast, and its shadows lighter or darker."""
    values = (picture / 255.0) ** math.exp(rng.normal(0, 0.25)) * 255
    middle = values.mean()
    return np.asarray(np.rint(middle + (values - middle) * rng.uniform(0.6, 1.2)).clip(0, 255), np.uint8)


def pieces_of(grey: UInt8Image, faces: FloatArray, count: int, rng: Generator) -> list[UInt8Image]:
    """Squares of a picture that meet none of its faces, each ``DRAWN`` pixels high.

    Args:
        grey: height x width.
        faces: N x 4 ``xyxy``; a square may take a tenth of its area from them.
        count: of squares; fewer where faces leave no room.
        rng: draws them.
    """
    height, width = grey.shape
    most = min(height, width)
    pieces: list[UInt8Image] = []
    for _ in range(4 * count):
        side = math.exp(rng.uniform(math.log(min(16, most)), math.log(most * 0.6)))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        if len(pieces) < count and _shared(x, y, side, faces) < 0.1:
            pieces.append(crop_faces(grey, [[x, y, x + side, y + side]], DRAWN, 0.0)[0])
    return pieces


def _shared(x: float, y: float, side: float, faces: FloatArray) -> float:
    """The largest share of a square that a face takes, or the share of a small face that the square takes."""
    wide = (np.minimum(faces[:, 2], x + side) - np.maximum(faces[:, 0], x)).clip(0)
    high = (np.minimum(faces[:, 3], y + side) - np.maximum(faces[:, 1], y)).clip(0)
    return float((wide * high / side**2).max(initial=0))
