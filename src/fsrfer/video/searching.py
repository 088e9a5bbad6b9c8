"""Where a frame is searched for faces: all of it now and then, and in between only where faces should be.

A whole frame costs by its pixels, a place by the pixels that its face needs to be found: large faces are searched for in a
smaller picture. When to do which follows from times and tracks alone, so that it never depends on how fast the machine is.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsrfer.recognition.detection import EDGE, Detector, suppress
from fsrfer.recognition.regions import Rectangle, cover
from fsrfer.recognition.yunet import concatenate
from fsrfer.types import Detections, UInt8Image
from fsrfer.video.rationing import Moment
from fsrfer.video.tracking import Floats, Track

SEEN_AT = 32.0
"""Pixels: faces of twice as many and more are searched for in a picture that is 2, 4 or 8 times smaller."""

SMALLER = (1, 2, 4, 8)

AROUND = 0.6
"""What is searched about an expected face on each side, in face sizes, beside `MARGIN`."""

MARGIN = 24.0
"""Pixels of the searched picture about an expected face: the network leans on heads and shoulders."""

UNSURE = 3.0
"""Standard deviations of an expected place that are searched too."""

TOO_MUCH = 0.6
"""Share of the work for the whole frame, from which that is searched instead."""


def is_whole_due(moment: Moment, whole: float | None, longest: float) -> bool:
    """Whether a frame must be searched whole, because at the next one too much time might have passed.

    Args:
        moment: of the frame.
        whole: time of the last frame that was searched whole, in seconds; None before the first.
        longest: between two searches of whole frames, in seconds.
    """
    return whole is None or moment.time + moment.step - whole > longest + 1e-6


def search_near(detector: Detector, rgb: UInt8Image, tracks: Sequence[Track]) -> Detections | None:
    """Faces near where they should be, or None where to search the whole frame is hardly more work.

    Args:
        detector: what finds them.
        rgb: the frame, height x width x 3.
        tracks: the faces, predicted for the time of the frame.
    """
    places = list(_places(tracks, *rgb.shape[:2]))
    work = sum((x2 - x1) * (y2 - y1) / smaller**2 for smaller, (x1, y1, x2, y2) in places)
    if work > TOO_MUCH * rgb.shape[0] * rgb.shape[1]:
        return None
    parts = [_search_place(detector, rgb, place, smaller) for smaller, place in places]
    return suppress(concatenate(parts))


def _places(tracks: Sequence[Track], height: int, width: int) -> Iterator[tuple[int, Rectangle]]:
    """Rectangles of the frame, and how many times smaller each is searched."""
    boxes = np.array([_surroundings(track) for track in tracks]).reshape(-1, 4)
    levels = np.array([_level(track.size) for track in tracks], int)
    for level in np.unique(levels).tolist():
        smaller = SMALLER[level]
        size = -(-height // smaller), -(-width // smaller)
        inside = boxes[levels == level] / smaller
        for x1, y1, x2, y2 in cover(inside.astype(np.float32), MARGIN, *size):
            yield smaller, (x1 * smaller, y1 * smaller, min(x2 * smaller, width), min(y2 * smaller, height))


def _surroundings(track: Track) -> Floats:
    around = (AROUND + UNSURE * float(np.sqrt(track.spread[0, 0]))) * track.size
    return np.asarray(track.box + np.array([-around, -around, around, around]))


def _level(size: float) -> int:
    return int(np.clip(np.floor(np.log2(max(size, 1.0) / SEEN_AT)), 0, len(SMALLER) - 1))


def _search_place(detector: Detector, rgb: UInt8Image, place: Rectangle, smaller: int) -> Detections:
    left, top, right, bottom = place
    part = np.ascontiguousarray(rgb[top:bottom, left:right])
    picture = part if smaller == 1 else np.asarray(Image.fromarray(part).reduce(smaller))
    found = detector.detect(picture)
    found = select(found, ~_are_cut(found, place, picture.shape, rgb.shape))
    corner, by = np.array([left, top], np.float32), np.float32(smaller)
    landmarks = None if found.landmarks is None else found.landmarks * by + corner
    return Detections(found.boxes * by + np.tile(corner, 2), found.scores, landmarks)


def _are_cut(
    found: Detections, place: Rectangle, picture: tuple[int, ...], frame: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which faces reach an edge of their place that is none of the frame: a neighbour of whom a part is seen."""
    left, top, right, bottom = place
    x1, y1, x2, y2 = found.boxes.T
    return np.asarray(
        ((x1 < EDGE) & (left > 0))
        | ((y1 < EDGE) & (top > 0))
        | ((x2 > picture[1] - EDGE) & (right < frame[1]))
        | ((y2 > picture[0] - EDGE) & (bottom < frame[0]))
    )


def select(found: Detections, which: NDArray[np.bool_]) -> Detections:
    """Some of the detections; ``which`` is bool, N."""
    return Detections(
        found.boxes[which], found.scores[which], None if found.landmarks is None else found.landmarks[which]
    )
