"""Drawing results on a photo or frame so that every face can still be seen, in a crowd too."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fsrfer.output.colours import DARK, ink_on
from fsrfer.output.legend import Legend, text_of
from fsrfer.output.outline import Outline
from fsrfer.output.placing import Ground, Size, place_labels
from fsrfer.types import Box, Face, UInt8Image

LEGIBLE_FACE = 28
"""Faces are shown at least this high, in pixels, where the photo can be enlarged so far."""

LARGEST_SIDE = 4000
"""Of an enlarged photo, in pixels."""

LARGEST_ZOOM = 6

MOSAIC = 4
"""Squares across a pixelated face: too few to know anyone by."""

BLUR_MARGIN = 0.2
"""Added around a face before it is pixelated, relative to its longer side: hair and ears give people away."""


def annotate(rgb: UInt8Image, faces: Sequence[Face], zoom: int | None = None, keep_size: bool = False) -> Image.Image:
    """A copy of the photo with each face outlined in its expression's colour, and labelled where there is room.

    A dashed outline and a question mark say that the answer is not certain; black corners, that the face is too small to
    tell. A label stands beside its face and covers neither a face nor another label. Where faces had to go without one, a
    legend counts them; it covers no face either and stands below the picture where nothing else is free.

    Args:
        rgb: the photo, height x width x 3.
        faces: in its pixels.
        zoom: how many times to enlarge the photo; None: as far as its faces need it.
        keep_size: whether a legend that finds no room inside is left out, as the frames of a video need it.

    Returns:
        An RGB image, larger than the photo by a whole number if its faces are tiny.
    """
    photo = Image.fromarray(np.ascontiguousarray(rgb))
    zoom = zoom or _zoom(photo.size, faces)
    canvas = photo.resize((photo.width * zoom, photo.height * zoom), Image.Resampling.BICUBIC) if zoom > 1 else photo
    font = _font(_font_size(canvas.size, [face.box for face in faces], zoom))
    outlines = [Outline.of(face, zoom, max(1, round(font.size / 9))) for face in faces]
    texts = [text_of(face) for face in faces]
    sizes = [_measure(text, font) for text in texts]
    labels = place_labels(_ground(canvas, outlines), _covered(outlines), sizes)
    legend, place = None, None
    if None in labels:
        legend = Legend.of(faces, font)
        ground = _ground(canvas, outlines)
        place = legend.place(ground)
        if place is not None:
            ground.take(place)
            labels = place_labels(ground, _covered(outlines), sizes)
    draw = ImageDraw.Draw(canvas)
    _draw_outlines(draw, outlines)
    for outline, text, label in zip(outlines, texts, labels, strict=True):
        if label is not None:
            _draw_label(draw, text, label, font, outline.colour)
    if legend is None:
        return canvas
    if place is not None:
        legend.draw(draw, place)
        return canvas
    return canvas if keep_size else legend.below(canvas)


def pixelate(rgb: UInt8Image, boxes: Iterable[Box]) -> UInt8Image:
    """A copy in which each box, with a margin, is a mosaic of `MOSAIC` x `MOSAIC` squares."""
    copy = rgb.copy()
    height, width = rgb.shape[:2]
    for x1, y1, x2, y2 in boxes:
        margin = BLUR_MARGIN * max(x2 - x1, y2 - y1)
        left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
        right, bottom = min(width, int(x2 + margin) + 1), min(height, int(y2 + margin) + 1)
        if right <= left or bottom <= top:
            continue
        part = Image.fromarray(rgb[top:bottom, left:right])
        coarse = part.resize((MOSAIC, MOSAIC), Image.Resampling.BOX)
        copy[top:bottom, left:right] = np.asarray(coarse.resize(part.size, Image.Resampling.NEAREST))
    return copy


def _zoom(size: tuple[int, int], faces: Sequence[Face]) -> int:
    if not faces:
        return 1
    wanted = -(-LEGIBLE_FACE // float(np.median([face.size_px for face in faces])))
    return int(max(1, min(wanted, LARGEST_ZOOM, LARGEST_SIDE // max(size))))


def _font_size(size: tuple[int, int], boxes: Sequence[Box], zoom: int) -> int:
    """In proportion to the photo, but smaller in a crowd so that labels find room."""
    typical = zoom * float(np.median([x2 - x1 for x1, _, x2, _ in boxes])) if boxes else 0.0
    return round(float(np.clip(typical * 0.24, max(11, max(size) / 130), max(12, max(size) / 50))))


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType, so it cannot draw text; install its usual wheel")
    return font


@lru_cache(maxsize=4096)
def _measure(text: str, font: ImageFont.FreeTypeFont) -> Size:
    return font.getlength(text) + 0.5 * font.size, 1.3 * font.size


def _covered(outlines: Sequence[Outline]) -> list[Box]:
    return [outline.covered for outline in outlines]


def _ground(canvas: Image.Image, outlines: Sequence[Outline]) -> Ground:
    return Ground(canvas.size, _covered(outlines))


def _draw_outlines(draw: ImageDraw.ImageDraw, outlines: Sequence[Outline]) -> None:
    for outline in outlines:
        outline.draw_rim(draw)
    for outline in outlines:
        outline.draw(draw)


def _draw_label(draw: ImageDraw.ImageDraw, text: str, label: Box, font: ImageFont.FreeTypeFont, colour: str) -> None:
    draw.rounded_rectangle(label, radius=font.size / 4, fill=colour, outline=DARK)
    middle = ((label[0] + label[2]) / 2, (label[1] + label[3]) / 2)
    draw.text(middle, text, fill=ink_on(colour), font=font, anchor="mm")
