"""Drawing results on a photo so that they can be read on the smallest face."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fsrfer.types import Box, Face, UInt8Image

COLOURS = {
    "surprise": "#56B4E9",
    "fear": "#CC79A7",
    "disgust": "#009E73",
    "happiness": "#F0E442",
    "sadness": "#0072B2",
    "anger": "#D55E00",
    "neutral": "#E5E5E5",
}
"""Okabe and Ito's colours, which people with any colour vision can tell apart."""

LEGIBLE_FACE = 28
"""Faces are shown at least this high, in pixels, where the photo can be enlarged so far."""

LARGEST_SIDE = 4000
"""Of an enlarged photo, in pixels."""

LARGEST_ZOOM = 6

_DARK, _LIGHT = "#000000", "#FFFFFF"
_DISTANCES = (0.0, 0.8, 1.8, 3.0, 4.5, 6.5)


def annotate(rgb: UInt8Image, faces: Sequence[Face], zoom: int | None = None) -> Image.Image:
    """A copy of the photo with each face's box, expression and probability.

    A dashed box and a question mark say that the answer is not certain. Labels stand outside the faces, where
    possible without covering each other, with a line to their face if they had to move away.

    Args:
        rgb: the photo, height x width x 3.
        faces: in its pixels.
        zoom: how many times to enlarge the photo; None: as far as its faces need it.

    Returns:
        An RGB image, larger than the photo by a whole number if its faces are tiny.
    """
    photo = Image.fromarray(np.ascontiguousarray(rgb))
    zoom = zoom or _zoom(photo.size, faces)
    canvas = photo.resize((photo.width * zoom, photo.height * zoom), Image.Resampling.BICUBIC) if zoom > 1 else photo
    draw = ImageDraw.Draw(canvas)
    boxes = [_scaled(face.box, zoom) for face in faces]
    font = _font(_font_size(canvas.size, boxes))
    width = max(1, round(font.size / 9))
    labels = place_labels(canvas.size, boxes, [_measure(draw, _text(face), font) for face in faces])
    for face, box, label in zip(faces, boxes, labels, strict=True):
        _draw_box(draw, box, COLOURS[face.expression], width, dashed=not face.certain)
        _draw_leader(draw, box, label, COLOURS[face.expression], width)
    for face, label in zip(faces, labels, strict=True):
        _draw_label(draw, _text(face), label, font, COLOURS[face.expression])
    return canvas


def place_labels(canvas: tuple[int, int], boxes: Sequence[Box], sizes: Sequence[tuple[float, float]]) -> list[Box]:
    """A place for each label: near its face, inside the drawing, covering little else.

    Args:
        canvas: width and height of the drawing.
        boxes: the faces, ``xyxy``.
        sizes: width and height of each label.

    Returns:
        One box a label, in the same order.
    """
    faces = np.array(boxes, float).reshape(-1, 4)
    placed: list[Box] = []
    for box, size in zip(boxes, sizes, strict=True):
        places = np.array(list(_places_around(box, size)))
        places = _shift_inside(places, canvas)
        others = np.array(placed, float).reshape(-1, 4)
        cost = 4 * _covered(places, others) + 2 * _covered(places, faces)
        distance = np.abs(_centres(places) - _centres(np.array([box]))).sum(axis=1)
        best = int(np.argmin(cost + distance * size[1] * 0.25))
        x1, y1, x2, y2 = places[best].tolist()
        placed.append((x1, y1, x2, y2))
    return placed


def _zoom(size: tuple[int, int], faces: Sequence[Face]) -> int:
    if not faces:
        return 1
    wanted = -(-LEGIBLE_FACE // float(np.median([face.size_px for face in faces])))
    return int(max(1, min(wanted, LARGEST_ZOOM, LARGEST_SIDE // max(size))))


def _font_size(size: tuple[int, int], boxes: Sequence[Box]) -> float:
    """In proportion to the photo, but smaller in a crowd so that labels find room."""
    typical = float(np.median([x2 - x1 for x1, _, x2, _ in boxes])) if boxes else 0.0
    return float(np.clip(typical * 0.24, max(11, max(size) / 130), max(12, max(size) / 50)))


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType, so it cannot draw text; install its usual wheel")
    return font


def _text(face: Face) -> str:
    if face.too_small:
        return "too small"
    return f"{face.expression}{'' if face.certain else '?'} {face.probability * 100:.0f}%"


def _measure(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont) -> tuple[float, float]:
    return draw.textlength(text, font) + 0.5 * font.size, 1.3 * font.size


def _places_around(box: Box, size: tuple[float, float]) -> Iterator[Box]:
    """Above, below and beside a face, first touching it and then further and further away."""
    x1, y1, x2, y2 = box
    width, height = size
    middle_x, middle_y = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
    for step in _DISTANCES:
        away = 2 + step * height
        above, below, left, right = y1 - height - away, y2 + away, x1 - width - away, x2 + away
        columns = (middle_x, x1, x2 - width, middle_x - width / 2, middle_x + width / 2)
        corners = [(x, y) for y in (above, below) for x in columns]
        corners += [(x, y) for x in (left, right) for y in (middle_y, y1, y2 - height)]
        yield from ((x, y, x + width, y + height) for x, y in corners)


def _shift_inside(places: NDArray[np.float64], canvas: tuple[int, int]) -> NDArray[np.float64]:
    limits = np.array(canvas, float)
    shift = np.maximum(-places[:, :2], 0) - np.maximum(places[:, 2:] - limits, 0)
    return np.asarray(places + np.tile(shift, 2))


def _covered(places: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each place, the area that it covers of other boxes, summed."""
    top_left = np.maximum(places[:, None, :2], others[None, :, :2])
    bottom_right = np.minimum(places[:, None, 2:], others[None, :, 2:])
    return np.asarray((bottom_right - top_left).clip(0).prod(axis=2).sum(axis=1))


def _centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2)


def _scaled(box: Box, zoom: int) -> Box:
    x1, y1, x2, y2 = (value * zoom for value in box)
    return x1, y1, x2, y2


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, colour: str, width: int, dashed: bool) -> None:
    """A frame with a dark rim, so that it shows on any background; uncertain ones are dashed."""
    x1, y1, x2, y2 = box
    draw.rectangle((x1 - width, y1 - width, x2 + width, y2 + width), outline=_DARK, width=width + 2)
    if not dashed:
        draw.rectangle((x1 - width + 1, y1 - width + 1, x2 + width - 1, y2 + width - 1), outline=colour, width=width)
        return
    for start, end in _dashes(x1, x2):
        draw.line((start, y1, end, y1), colour, width)
        draw.line((start, y2, end, y2), colour, width)
    for start, end in _dashes(y1, y2):
        draw.line((x1, start, x1, end), colour, width)
        draw.line((x2, start, x2, end), colour, width)


def _dashes(start: float, end: float) -> Iterator[tuple[float, float]]:
    """Five dashes from corner to corner."""
    step = (end - start) / 9
    yield from ((start + index * step, start + (index + 1) * step) for index in range(0, 9, 2))


def _draw_leader(draw: ImageDraw.ImageDraw, box: Box, label: Box, colour: str, width: int) -> None:
    """A line from a label that stands away from its face to the nearest point of the face."""
    middle_x, middle_y = (label[0] + label[2]) / 2, (label[1] + label[3]) / 2
    near_x, near_y = float(np.clip(middle_x, box[0], box[2])), float(np.clip(middle_y, box[1], box[3]))
    gap = max(label[1] - box[3], box[1] - label[3], label[0] - box[2], box[0] - label[2])
    if gap > 4 * width:
        draw.line((middle_x, middle_y, near_x, near_y), _DARK, width + 2)
        draw.line((middle_x, middle_y, near_x, near_y), colour, width)


def _draw_label(draw: ImageDraw.ImageDraw, text: str, label: Box, font: ImageFont.FreeTypeFont, colour: str) -> None:
    draw.rounded_rectangle(label, radius=font.size / 4, fill=colour, outline=_DARK)
    middle = ((label[0] + label[2]) / 2, (label[1] + label[3]) / 2)
    draw.text(middle, text, fill=_readable_on(colour), font=font, anchor="mm")


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else _LIGHT
