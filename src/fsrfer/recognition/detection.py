"""Finding faces from 8 px to the whole frame: a small pyramid of passes over tiles, merged.

The network alone is reliable on faces of about 20 to 300 px. So a picture is shown to it several times: shrunk
to fit one tile (large faces), as it is (middling ones), and enlarged (small ones); in overlapping tiles where it
is larger than one.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fsrfer.errors import ModelError
from fsrfer.images import bands, crop_faces
from fsrfer.recognition import patches
from fsrfer.recognition.devices import CPU
from fsrfer.recognition.legibility import SIDE, LegibilityModel
from fsrfer.recognition.regions import Rectangle, cover
from fsrfer.recognition.runtime import choose_device
from fsrfer.recognition.yunet import YuNet, concatenate, read_bundled_weights
from fsrfer.types import Detections, FloatArray, UInt8Image

PRESETS: dict[str, tuple[int, ...]] = {"fast": (), "default": (2,), "tiny": (3,)}
"""The enlarged passes of each preset, after the shrunken and the plain ones that all have."""

THRESHOLD = 0.7
THRESHOLD_SMALL = 0.6
THRESHOLD_EXPECTED = 0.5
"""Where a face was a moment ago, it is likely without being plain."""

SMALL = 16
"""Faces below `SMALL` pixels score lower however much they are enlarged; above, that score means hands, shoes and ties."""

DOUBTFUL = 0.85
"""Boxes of `SMALL` pixels or more that score less are looked at again, by the network that tells what is legible."""

LEAST_LEGIBLE = 0.1
"""What is less legible is no face: a shoe, a hat, a collar with its tie. Hidden faces are mostly more, and stay."""

OVERLAP = 160
"""Of neighbouring tiles, in pixels of the pass: larger than any face an enlarged pass is asked for."""

LARGEST_IN_ENLARGED = 48
"""Pixels of the photo; an enlarged pass is unreliable above, and a plain one is good from there on."""

STEP_DOWN = 4
"""Between plain passes: a face too large for the tiles of one pass is still over 30 px in the next."""

MAX_OVERLAP = 0.3
"""Two boxes whose intersection over union is larger are one face."""

MAX_INSIDE = 0.7
"""A box of which a larger share lies in a better one (or the reverse) is a part of the same face."""

MIN_INSIDE = 0.4
"""Share of a box that must lie in the picture."""

EDGE = 2
"""Pixels of a tile; a box nearer than this to an inner edge is cut off; the next tile has it whole."""

FIT = 640
"""Pixels; of the longer side of a picture in which a face may be as large as the picture."""

WORTH_A_LOOK = 0.1
"""Score in the picture as it is, below which no enlarged look finds a face."""

LARGEST_WORTH = 64
"""Pixels: of a candidate for an enlarged look; boxes of low scores are not exact."""

DONE, DONE_FROM = 0.8, 20
"""A score in the picture as it is, and a height in pixels, that need no enlarged look."""

WHOLE_STEPS = 2.0
"""How much smaller a picture is made by mere means of pixels, at most: so many times less than it must become."""

MARGIN = 20
"""Pixels about a candidate that an enlarged look sees: the network leans on heads and shoulders."""


class Detector:
    """Finds faces in pictures of any size."""

    def __init__(self, preset: str | Path = "default", threads: int | None = None, device: str = CPU):
        """Load the network.

        Args:
            preset: ``fast``, ``default``, ``tiny``, or the path of a YuNet ONNX file, which makes the passes
                of ``default``.
            threads: see `open_session`.
            device: see `choose_device`.

        Raises:
            DeviceError: the device cannot be used.
            ModelError: the weights are missing, changed, or no YuNet.
        """
        self._origin, self._threads = preset if str(preset) in PRESETS else Path(preset).absolute(), threads
        self._device = choose_device(device)
        self._legibility = LegibilityModel(threads, self._device)
        if str(preset) in PRESETS:
            self.enlargements = PRESETS[str(preset)]
            self._network = YuNet(read_bundled_weights(), "the bundled detector", threads, self._device)
        else:
            self.enlargements = PRESETS["default"]
            self._network = YuNet(_read(Path(preset)), str(preset), threads, self._device)

    def __reduce__(self) -> tuple[type["Detector"], tuple[str | Path, int | None, str]]:
        """Where it arrives, a copy opens its file again."""
        return type(self), (self._origin, self._threads, self._device)

    def detect(self, image: UInt8Image) -> Detections:
        """All faces of a picture, best first.

        Args:
            image: RGB, height x width x 3.

        Returns:
            Boxes clipped to the picture, scores, and five landmarks each.
        """
        height, width = image.shape[:2]
        found = concatenate([self._look_shrunken(image, shrink) for shrink in self.shrinks(height, width)])
        places = places_of_small_faces(found, height, width) if self.enlargements else []
        closer = [self._look_closer(image, place, factor) for place in places for factor in self.enlargements]
        return self._without_things(image, suppress(clip(likely(concatenate([found, *closer])), height, width)))

    def look(self, image: UInt8Image, expected: FloatArray) -> Detections:
        """The faces near places where they are expected, for a small part of the cost of `detect`; no others.

        A face is found again where it moved by no more than half its height and its size changed by no more than half.

        Args:
            image: RGB, height x width x 3.
            expected: boxes, N x 4, ``xyxy`` in pixels; where faces were a moment ago.

        Returns:
            At most N faces, as `detect` has them; also such as it would be in doubt about.
        """
        if not len(expected):
            return Detections.none()
        if not self._network.takes_any_size:
            return self.detect(image)
        parts: list[Detections] = []
        missing = expected
        for look in patches.LOOKS:
            if not len(missing):
                break
            found, is_found = self._look_for(image, missing, look)
            parts.append(found)
            missing = missing[~is_found]
        return suppress(clip(concatenate(parts), *image.shape[:2]))

    def _look_for(
        self, image: UInt8Image, expected: FloatArray, look: patches.Look
    ) -> tuple[Detections, NDArray[np.bool_]]:
        """Expected faces that are found, and which they are."""
        cut = patches.cut(image, expected, look)
        found, numbers = self._network.detect_each(cut.pictures, THRESHOLD_EXPECTED)
        best = patches.best_of_each(found, numbers, look)
        is_found = np.isin(np.arange(len(expected)), numbers[best])
        return patches.in_picture(_select(found, best), cut, numbers[best]), is_found

    def _without_things(self, image: UInt8Image, found: Detections) -> Detections:
        """Without boxes of low scores that a second look shows to be no face."""
        doubtful = (found.scores < DOUBTFUL) & (_sides(found.boxes)[:, 1] >= SMALL)
        if not doubtful.any():
            return found
        crops = crop_faces(image, found.boxes[doubtful].tolist(), SIDE, 0.0)
        things = np.zeros(len(found), bool)
        things[doubtful] = self._legibility.legible(crops) < LEAST_LEGIBLE
        return _select(found, ~things)

    def shrinks(self, height: int, width: int) -> list[float]:
        """How many times smaller a picture of this size is looked at; 1 is as it is."""
        fit = max(height / min(FIT, self._network.height), width / min(FIT, self._network.width), 1.0)
        shrinks = [fit] if fit > 1 else []
        shrink = 1.0
        while shrink * 1.5 < fit or shrink == 1:
            shrinks.append(shrink)
            shrink *= STEP_DOWN
        return shrinks

    def _look_shrunken(self, image: UInt8Image, shrink: float) -> Detections:
        picture = shrink_by(image, shrink)
        found = self._look(
            picture, (0, 0, picture.shape[1], picture.shape[0]), 1, WORTH_A_LOOK if shrink == 1 else THRESHOLD_SMALL
        )
        return _affine(found, (image.shape[1] / picture.shape[1], image.shape[0] / picture.shape[0]), (0, 0))

    def _look_closer(self, image: UInt8Image, place: Rectangle, factor: int) -> Detections:
        found = self._look(image, place, factor, THRESHOLD_SMALL)
        return _select(found, _sides(found.boxes).max(axis=1, initial=0) < LARGEST_IN_ENLARGED)

    def _look(self, picture: UInt8Image, place: Rectangle, enlarge: int, threshold: float) -> Detections:
        """What is found in a part of a picture, whole or in overlapping tiles."""
        left, top, right, bottom = place
        overlap = -(-OVERLAP // enlarge)
        rows = spread(bottom - top, self._network.height // enlarge, overlap)
        columns = spread(right - left, self._network.width // enlarge, overlap)
        tiles = [(left + x1, top + y1, left + x2, top + y2) for y1, y2 in rows for x1, x2 in columns]
        return concatenate([self._look_at_tile(picture, tile, enlarge, threshold) for tile in tiles])

    def _look_at_tile(self, picture: UInt8Image, tile: Rectangle, enlarge: int, threshold: float) -> Detections:
        left, top, right, bottom = tile
        window = _enlarge(picture[top:bottom, left:right], enlarge)
        found = self._network.detect(window, threshold)
        found = _select(found, ~_is_cut(found.boxes, tile, window.shape, picture.shape))
        return _affine(found, (1 / enlarge, 1 / enlarge), (left, top))


def places_of_small_faces(found: Detections, height: int, width: int) -> list[Rectangle]:
    """Where a picture may hold a small face that was not found for certain, by all that a look at it as it is found."""
    best = suppress(_select(found, _all_of(np.isfinite(found.boxes))))
    sides = _sides(best.boxes)
    is_done = (best.scores >= DONE) & (sides[:, 1] >= DONE_FROM)
    is_small = sides.max(axis=1, initial=0) < LARGEST_WORTH
    return cover(best.boxes[is_small & ~is_done], MARGIN, height, width)


def spread(length: int, window: int, overlap: int) -> list[tuple[int, int]]:
    """The fewest intervals of at most ``window``, all alike, that cover ``0..length`` and overlap by ``overlap`` or more.

    Example:
        >>> spread(100, 90, 20)
        [(0, 60), (40, 100)]
        >>> spread(50, 60, 20)
        [(0, 50)]
    """
    if length <= window:
        return [(0, length)]
    overlap = min(overlap, window // 2)
    count = -(-(length - overlap) // (window - overlap))
    side = -(-(length + (count - 1) * overlap) // count)
    starts = np.linspace(0, length - side, count).astype(int).tolist()
    return [(start, start + side) for start in starts]


def likely(found: Detections) -> Detections:
    """Without boxes whose score is too low for their size."""
    wanted = np.where(_sides(found.boxes)[:, 1] < SMALL, THRESHOLD_SMALL, THRESHOLD)
    return _select(found, np.asarray(found.scores >= wanted))


def clip(found: Detections, height: int, width: int) -> Detections:
    """Boxes cut to the picture, without those that are not finite or lie outside it."""
    found = _select(found, _all_of(np.isfinite(found.boxes)))
    boxes = found.boxes.copy()
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
    is_inside = _area(boxes) >= MIN_INSIDE * _area(found.boxes)
    return _select(Detections(boxes, found.scores, found.landmarks), is_inside & _all_of(_sides(boxes) >= 1))


def suppress(found: Detections) -> Detections:
    """One box a face: the best, and none that overlaps it by much or is a part of it; best first."""
    by_left = np.argsort(found.boxes[:, 0], kind="stable")
    boxes = found.boxes[by_left]
    areas, widest = _area(boxes), _sides(boxes)[:, 0].max(initial=0)
    starts = np.searchsorted(boxes[:, 0], boxes[:, 0] - widest).tolist()
    ends = np.searchsorted(boxes[:, 0], boxes[:, 2]).tolist()
    is_alone = np.ones(len(found), bool)
    kept: list[int] = []
    places = np.empty(len(found), int)
    places[by_left] = np.arange(len(found))
    for place in places[np.argsort(-found.scores, kind="stable")].tolist():
        if not is_alone[place]:
            continue
        kept.append(place)
        near = slice(starts[place], ends[place])  # all that begin further to the left or right cannot share a pixel
        shared, area = _intersection(boxes[place], boxes[near]), areas[place]
        is_double = shared > MAX_OVERLAP * (area + areas[near] - shared)
        is_part = shared > MAX_INSIDE * np.minimum(area, areas[near])
        is_alone[near] &= ~(is_double | is_part)
    return _select(found, by_left[np.array(kept, int)])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        presets = ", ".join(PRESETS)
        reason = error.strerror or error
        raise ModelError(
            f"{path}: no detector there ({reason}); name a YuNet .onnx file, or one of {presets}"
        ) from error


def shrink_by(image: UInt8Image, factor: float) -> UInt8Image:
    """A picture so many times smaller, as Pillow's ``resize`` with ``reducing_gap``, but without a copy of the whole."""
    if factor == 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, int(width / factor)), max(1, int(height / factor)))
    # By whole steps first, in bands; then by what is left.
    steps = (max(1, int(width / size[0] / WHOLE_STEPS)), max(1, int(height / size[1] / WHOLE_STEPS)))
    parts = (Image.fromarray(np.ascontiguousarray(image[band])).reduce(steps) for band in bands(height, steps[1]))
    picture = Image.fromarray(np.concatenate([np.asarray(part) for part in parts]))
    box = (0, 0, width / steps[0], height / steps[1])
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def _enlarge(tile: UInt8Image, factor: int) -> UInt8Image:
    if factor == 1:
        return tile
    size = (tile.shape[1] * factor, tile.shape[0] * factor)
    return np.asarray(Image.fromarray(np.ascontiguousarray(tile)).resize(size, Image.Resampling.BICUBIC))


def _is_cut(boxes: FloatArray, tile: Rectangle, window: tuple[int, ...], picture: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which boxes of a window touch an edge of their tile that is not an edge of the picture."""
    left, top, right, bottom = tile
    return (
        ((boxes[:, 0] < EDGE) & (left > 0))
        | ((boxes[:, 1] < EDGE) & (top > 0))
        | ((boxes[:, 2] > window[1] - EDGE) & (right < picture[1]))
        | ((boxes[:, 3] > window[0] - EDGE) & (bottom < picture[0]))
    )


def _affine(found: Detections, scale: tuple[float, float], shift: tuple[float, float]) -> Detections:
    by, to = np.array(scale, np.float32), np.array(shift, np.float32)
    boxes = found.boxes * np.tile(by, 2) + np.tile(to, 2)
    landmarks = None if found.landmarks is None else found.landmarks * by + to
    return Detections(boxes, found.scores, landmarks)


def _select(found: Detections, which: NDArray[np.bool_] | NDArray[np.int_]) -> Detections:
    landmarks = None if found.landmarks is None else found.landmarks[which]
    return Detections(found.boxes[which], found.scores[which], landmarks)


def _all_of(conditions: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(conditions.all(axis=1))


def _sides(boxes: FloatArray) -> FloatArray:
    return boxes[:, 2:] - boxes[:, :2]


def _area(boxes: FloatArray) -> FloatArray:
    return np.asarray(_sides(boxes).clip(0).prod(axis=1))


def _intersection(box: FloatArray, others: FloatArray) -> FloatArray:
    corners = np.hstack([np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])])
    return _area(corners)
