"""Made pictures in which no expression can be told: faces that are hidden, cut off or spoilt, and things that are no face.

All of them are grey squares as a detector's box shows them, drawn from a `numpy.random.Generator`. Places are those of an
aligned face, in shares of the side: eyes at 0.40 of the height, the mouth at 0.75, the nose between them.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fsrfer.images import crop_faces, resize
from fsrfer.types import UInt8Image

Floats = NDArray[np.float64]

MOUTH = 0.75
"""Height of the mouth in an aligned face, as a share of the side."""

LEFT, RIGHT = 0.12, 0.88
"""Where a detector's box ends at the sides of an aligned face."""

Edge = Literal["bottom", "top", "left", "right"]

ILLEGIBLE_FROM: Mapping[Edge, tuple[float, float]] = {
    "bottom": (0.32, 0.74),
    "top": (0.30, 0.58),
    "left": (0.28, 0.58),
    "right": (0.28, 0.58),
}
"""Least and most of a face that is left by a cut which takes the mouth, the eyes, or half of either."""

LEGIBLE_FROM: Mapping[Edge, tuple[float, float]] = {
    "bottom": (0.90, 1.0),
    "top": (0.76, 1.0),
    "left": (0.80, 1.0),
    "right": (0.80, 1.0),
}
"""The same for a cut that takes the chin, the forehead or a cheek."""


def mouth_covered(face: UInt8Image, other: UInt8Image, rng: Generator) -> UInt8Image:
    """A face with a hand, a cloth, a bar, another head or a piece of some picture before its mouth.

    Args:
        face: grey, S x S, aligned.
        other: a square piece of any picture, which may stand before the face.
        rng: draws what covers it, and where.
    """
    cover = (_hand_before, _mask_before, _bar_before, _head_before, _piece_before)[rng.integers(5)]
    return cover(face, other, rng)


def mostly_covered(face: UInt8Image, other: UInt8Image, rng: Generator) -> UInt8Image:
    """A face of which something hides all but a corner; arguments as of `mouth_covered`."""
    side = len(face)
    piece = _hand(side, rng) if rng.random() < 0.5 else resize(other, (side, side))
    hidden = rng.uniform(0.6, 0.9)
    row, column = (np.linspace(0, 1, side) for _ in range(2))
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * column[None] + np.sin(angle) * row[:, None]
    return _blend(face, piece, along < np.quantile(along, hidden))


def cut_off(face: UInt8Image, edge: Edge, left: float) -> UInt8Image:
    """An aligned face that goes on beyond an edge of the photo, as `crop_faces` frames the box that is left of it.

    Args:
        face: grey, S x S.
        edge: of the photo.
        left: share of the face within the photo, 0..1.
    """
    side = len(face)
    photo = np.pad(face, side // 4, "reflect")
    start, end = side // 4, side // 4 + side
    box = [start + LEFT * side, start, start + RIGHT * side, end]
    kept = round(left * side)
    if edge == "bottom":
        photo, box[3] = photo[: start + kept], start + kept
    elif edge == "top":
        photo = photo[end - kept :]
        box[1], box[3] = 0, kept
    elif edge == "right":
        photo, box[2] = photo[:, : start + kept], min(box[2], start + kept)
    else:
        photo = photo[:, end - kept :]
        box[0], box[2] = max(0.0, box[0] - (end - kept)), box[2] - (end - kept)
    return _crop(photo, box, side)


def part_of(face: UInt8Image, rng: Generator) -> UInt8Image:
    """A piece of a face that an ill-placed box shows: an eye, a cheek, or half a face and what is beside it."""
    side = len(face)
    if rng.random() < 0.5:
        small = rng.uniform(0.2, 0.42) * side
        x, y = rng.uniform(0, side - small, 2)
        box = [x, y, x + small, y + small]
    else:
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 0.75) * side
        x, y = far * np.cos(angle), far * np.sin(angle)
        box = [x, y, x + side, y + side]
    return _crop(np.pad(face, side, "reflect"), [value + side for value in box], side)


def turned(face: UInt8Image, rng: Generator) -> UInt8Image:
    """A face upside down or on its side."""
    quarters = rng.choice([1, 2, 2, 3])
    return np.ascontiguousarray(np.rot90(face, quarters))


def stretched(face: UInt8Image, rng: Generator) -> UInt8Image:
    """A face far too wide or far too high, with what is beside it."""
    side, ratio = len(face), rng.uniform(2.2, 4.0)
    size = (side, round(side / ratio)) if rng.random() < 0.5 else (round(side / ratio), side)
    small = resize(face, size)
    above, beside = side - small.shape[0], side - small.shape[1]
    return np.pad(small, ((above // 2, above - above // 2), (beside // 2, beside - beside // 2)), "edge")


def blurred(face: UInt8Image, rng: Generator) -> UInt8Image:
    """A face with two to three and a half pixels of detail, by shrinking or out of focus."""
    side, left = len(face), rng.uniform(2.0, 3.5)
    if rng.random() < 0.5:
        return resize(resize(face, (round(left), round(left))), (side, side))
    return np.asarray(Image.fromarray(face).filter(ImageFilter.GaussianBlur(0.42 * side / left)))


def no_face(other: UInt8Image, side: int, rng: Generator) -> UInt8Image:
    """A fist, the back of a head, a collar with a tie, or a texture, before a piece of some picture."""
    made = (_fist, _fist, _back_of_head, _collar, _texture)[rng.integers(5)]
    return made(resize(other, (side, side)), rng)


def harmless(face: UInt8Image, other: UInt8Image, rng: Generator) -> UInt8Image:
    """A face with something before it that leaves its expression to be told: glasses, a fringe, a hand at its side."""
    side = len(face)
    place = rng.integers(3)
    covers = np.zeros((side, side), bool)
    if place == 0:
        covers[round(0.34 * side) : round(0.46 * side), round(0.18 * side) : round(0.82 * side)] = True
        return _blend(face, np.full_like(face, rng.integers(0, 90)), covers)
    piece = _hand(side, rng) if rng.random() < 0.5 else resize(other, (side, side))
    extent = round(rng.uniform(0.08, 0.2) * side)
    if place == 1:
        covers[:extent] = True
    else:
        covers[:, :extent] = True
        covers = covers[:, ::-1] if rng.random() < 0.5 else covers
    return _blend(face, piece, covers)


def _hand_before(face: UInt8Image, _other: UInt8Image, rng: Generator) -> UInt8Image:
    side = len(face)
    hand, mask = _fingers(side, (0.5, MOUTH + rng.uniform(-0.08, 0.08)), rng.uniform(0.24, 0.36), rng)
    skin = float(np.median(face[side // 3 : side // 2, side // 3 : 2 * side // 3]))
    tone = np.clip(skin * rng.uniform(0.7, 1.3), 25, 240)
    return _blend(face, (hand * tone).clip(0, 255).astype(np.uint8), mask)


def _mask_before(face: UInt8Image, _other: UInt8Image, rng: Generator) -> UInt8Image:
    side = len(face)
    top, tone = rng.uniform(0.5, 0.6), rng.uniform(20, 245)
    outline = [(0.08, top - 0.02), (0.5, top - 0.06), (0.92, top - 0.02), (0.86, 0.88), (0.5, 1.0), (0.14, 0.88)]
    jitter = rng.uniform(-0.03, 0.03, (6, 2))
    points = [((x + dx) * side, (y + dy) * side) for (x, y), (dx, dy) in zip(outline, jitter.tolist(), strict=True)]
    drawn = Image.new("L", (side, side))
    ImageDraw.Draw(drawn).polygon(points, fill=255)
    row, column = np.mgrid[:side, :side] / side
    shade = 1 - 1.2 * (column - 0.5) ** 2 + 0.05 * np.sin(2 * np.pi * row * rng.uniform(8, 14)) * rng.integers(2)
    return _blend(face, (tone * shade).clip(0, 255).astype(np.uint8), np.asarray(drawn) > 0)


def _bar_before(face: UInt8Image, _other: UInt8Image, rng: Generator) -> UInt8Image:
    side, angle = len(face), rng.uniform(-0.6, 0.6)
    row, column = np.mgrid[:side, :side] / side
    across = np.cos(angle) * (row - MOUTH - rng.uniform(-0.04, 0.04)) + np.sin(angle) * (column - 0.5)
    return _blend(face, np.full_like(face, rng.integers(0, 256)), abs(across) < rng.uniform(0.13, 0.24))


def _head_before(face: UInt8Image, _other: UInt8Image, rng: Generator) -> UInt8Image:
    side = len(face)
    centre, radius = (rng.uniform(0.25, 0.75), rng.uniform(1.0, 1.15)), rng.uniform(0.5, 0.6)
    return _blend(face, _hair(side, rng), _ellipse(side, centre, (radius * rng.uniform(0.8, 1.3), radius)))


def _piece_before(face: UInt8Image, other: UInt8Image, rng: Generator) -> UInt8Image:
    side = len(face)
    covers = _ellipse(side, (rng.uniform(0.4, 0.6), MOUTH), (rng.uniform(0.3, 0.5), rng.uniform(0.16, 0.3)))
    return _blend(face, resize(other, (side, side)), covers)


def _fist(behind: UInt8Image, rng: Generator) -> UInt8Image:
    side = len(behind)
    hand, mask = _fingers(side, tuple(rng.uniform(0.42, 0.58, 2).tolist()), rng.uniform(0.45, 0.7), rng)
    return _blend(behind, (hand * rng.uniform(50, 235)).clip(0, 255).astype(np.uint8), mask)


def _hand(side: int, rng: Generator) -> UInt8Image:
    """A hand that fills the square."""
    hand, _ = _fingers(side, (0.5, 0.5), 1.0, rng)
    return np.asarray((hand * rng.uniform(60, 220)).clip(0, 255), np.uint8)


def _fingers(side: int, centre: tuple[float, ...], extent: float, rng: Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Light (about 1) on fingers side by side over a palm, and where they are; ``extent`` is half their reach."""
    row, column = np.mgrid[:side, :side] / side
    angle = rng.uniform(0, 2 * np.pi)
    x, y = column - centre[0], row - centre[1]
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    light, is_hand = np.full((side, side), 0.55), np.hypot(along, across) < extent * 0.8
    light += 0.3 * (1 - np.hypot(along, across) / (extent * 0.8)).clip(0)
    count, bend = int(rng.integers(3, 6)), rng.uniform(-0.5, 0.5)
    radius = extent / count * rng.uniform(0.85, 1.0)
    for number in range(count):
        offset = (2 * number - count + 1) * extent / count
        reach = extent * rng.uniform(0.6, 1.05)
        beyond = (abs(along) - reach + radius).clip(0)
        distance = np.hypot(across - offset - bend * along**2, beyond) / radius
        inside = distance < 1
        knuckle = 0.08 * np.cos(along / extent * rng.uniform(4, 9) + rng.uniform(0, 6))
        light = np.where(inside, 0.6 + 0.4 * np.sqrt((1 - distance**2).clip(0)) + knuckle, light)
        is_hand |= inside
    slope = rng.uniform(-0.4, 0.4, 2)
    return light * (1 + slope[0] * x + slope[1] * y) + rng.normal(0, 0.02, light.shape), is_hand


def _back_of_head(behind: UInt8Image, rng: Generator) -> UInt8Image:
    side = len(behind)
    row, column = np.mgrid[:side, :side] / side
    neck = (abs(column - 0.5) < rng.uniform(0.18, 0.3)) & (row > 0.7)
    body = np.clip(rng.uniform(40, 220) * (1 - 0.8 * (column - 0.5) ** 2), 0, 255).astype(np.uint8)
    head = _ellipse(side, (0.5, rng.uniform(0.4, 0.5)), (rng.uniform(0.36, 0.5), rng.uniform(0.42, 0.56)))
    return _blend(_blend(behind, body, neck), _hair(side, rng), head)


def _hair(side: int, rng: Generator) -> UInt8Image:
    """Strands in one direction, with a sheen."""
    strands = rng.normal(0, 1, (side, side))
    axis = int(rng.integers(2))
    width = int(rng.integers(5, max(6, side // 3)))
    kernel = np.ones(width) / np.sqrt(width)
    strands = np.apply_along_axis(np.convolve, axis, strands, kernel, "same")
    row, column = np.mgrid[:side, :side] / side
    sheen = np.exp(-(((row - rng.uniform(0, 1)) / 0.25) ** 2) - ((column - rng.uniform(0, 1)) / 0.5) ** 2)
    tone = rng.uniform(15, 150)
    return np.asarray((tone * (1 + 0.5 * sheen) + rng.uniform(3, 18) * strands).clip(0, 255), np.uint8)


def _collar(behind: UInt8Image, rng: Generator) -> UInt8Image:
    """A jacket, a shirt and a tie."""
    side = len(behind)
    jacket, shirt, tie = rng.uniform(5, 110), rng.uniform(150, 255), rng.uniform(10, 200)
    top, middle = rng.uniform(0, 0.35), 0.5 + rng.uniform(-0.08, 0.08)
    row, column = np.mgrid[:side, :side] / side
    from_middle = abs(column - middle)
    picture = np.where(row > top * from_middle * 2, jacket, behind)
    is_shirt = from_middle < 0.38 - 0.35 * (row - top)
    picture = np.where(is_shirt & (row > top), shirt, picture)
    is_tie = (from_middle < 0.05 + 0.09 * (row - top)) & (row > top + 0.08)
    stripes = rng.uniform(0, 60) * np.sign(np.sin(2 * np.pi * (row + column - 1) * rng.uniform(4, 12)))
    picture = np.where(is_tie, tie + stripes, picture)
    return np.asarray((picture * (1 + rng.uniform(-0.3, 0.3) * (column - 0.5))).clip(0, 255), np.uint8)


def _texture(behind: UInt8Image, rng: Generator) -> UInt8Image:
    """Noise of some smoothness, stripes, or both, over a slope of light."""
    side = len(behind)
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) + 1 / side
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(0, 1, (side, side))) / frequencies ** rng.uniform(0, 2.5))
    row, column = np.mgrid[:side, :side] / side
    angle = rng.uniform(0, np.pi)
    wave = np.sin(2 * np.pi * rng.uniform(1, 10) * (np.cos(angle) * row + np.sin(angle) * column))
    mixed = noise / noise.std() + rng.choice([0, 1, 2]) * wave + rng.uniform(-3, 3) * (row - 0.5)
    spread = rng.uniform(4, 60)
    return np.asarray((rng.uniform(40, 215) + spread * mixed / mixed.std()).clip(0, 255), np.uint8)


def _crop(photo: UInt8Image, box: list[float], side: int) -> UInt8Image:
    crops = crop_faces(photo, [box], side, 0.0)
    return np.asarray(crops[0], np.uint8)


def _ellipse(side: int, centre: tuple[float, float], radii: tuple[float, float]) -> NDArray[np.bool_]:
    row, column = np.mgrid[:side, :side] / side
    return np.asarray(((column - centre[0]) / radii[0]) ** 2 + ((row - centre[1]) / radii[1]) ** 2 < 1)


def _blend(below: UInt8Image, above: UInt8Image, where: NDArray[np.bool_]) -> UInt8Image:
    """One picture laid over another, with a soft edge."""
    weight = np.asarray(Image.fromarray(where.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.8))) / 255.0
    return np.asarray(np.rint(below * (1 - weight) + above * weight), np.uint8)


COVERED: Mapping[str, Callable[[UInt8Image, UInt8Image, Generator], UInt8Image]] = {
    "mouth covered": mouth_covered,
    "mostly covered": mostly_covered,
}
"""What stands before a face, by name: takes the face, a piece of any picture, and chances."""

SPOILT: Mapping[str, Callable[[UInt8Image, Generator], UInt8Image]] = {
    "part": part_of,
    "turned": turned,
    "stretched": stretched,
    "blurred": blurred,
}
"""What is done to a face, by name: takes the face and chances."""
