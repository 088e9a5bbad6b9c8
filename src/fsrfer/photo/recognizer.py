"""The way of use from end to end: a photo in, the expressions of its faces out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fsrfer import images
from fsrfer.errors import InputError
from fsrfer.images import ChannelOrder, ImageSource
from fsrfer.model_file import ModelInfo
from fsrfer.photo.results import CropResult, PhotoResult, likeliest, summarise
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.model import BATCH, Answers, ExpressionModel
from fsrfer.recognition.sources import Picture
from fsrfer.types import Box, Detections, Expression, Face, FloatArray, UInt8Image, check_box

T = TypeVar("T")

MIN_FACE = 6.0
"""Height in pixels below which a face is listed, but never certain nor counted in the shares."""


class Recognizer:
    """Finds faces and tells their expressions; load it once, use it for many pictures.

    Example:
        >>> from fsrfer import Recognizer
        >>> recognizer = Recognizer()  # doctest: +SKIP
        >>> recognizer.predict("crowd.jpg").group.shares  # doctest: +SKIP
        {'surprise': 0.1, ...}
    """

    def __init__(
        self,
        model: str | Path = "default",
        detector: str | Path = "default",
        threads: int | None = None,
        min_face: float = MIN_FACE,
    ):
        """Load the recogniser; the detector follows when it is first needed.

        Args:
            model: a bundled model's name, or the path of a model file.
            detector: ``fast``, ``default``, ``tiny``, or the path of a YuNet ONNX file.
            threads: for each of the two networks; None leaves it to ONNX Runtime (one a core).
            min_face: faces lower than this, in pixels, are listed, but never certain nor in the shares.

        Raises:
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self._model = ExpressionModel(model, threads)
        self._detector_name = detector
        self._threads = threads
        self._min_face = min_face

    @property
    def info(self) -> ModelInfo:
        """What the recogniser's file says of itself."""
        return self._model.info

    @property
    def sha256(self) -> str:
        """The seal of the recogniser's file."""
        return self._model.sha256

    @cached_property
    def detector(self) -> Detector:
        """The face detector.

        Raises:
            ModelError: its weights are missing, changed, or no YuNet.
        """
        return Detector(self._detector_name, self._threads)

    def predict(
        self, image: ImageSource, boxes: ArrayLike | None = None, channel_order: ChannelOrder = "rgb"
    ) -> PhotoResult:
        """Expressions of every face in a photo.

        Args:
            image: a path, a PIL image, or a uint8 array (height x width, or height x width x 3).
            boxes: your own face boxes instead of the detector's, N x 4 ``xyxy`` in pixels of the upright photo;
                their order is kept, and what leaves the photo is cut off.
            channel_order: of an array; OpenCV's are ``"bgr"``.

        Returns:
            The faces, best detection first; none, and no guess from the whole picture, where none is found.

        Raises:
            InputError: the picture cannot be decoded, or a box lies outside it.
            ModelError: the detector cannot be loaded.
        """
        rgb = images.as_rgb(image, channel_order)
        if isinstance(image, str | Path):
            return self._look(str(image), rgb, boxes, partial(images.load_rgb, image))
        return self._look("image", rgb, boxes, lambda: rgb)

    def predict_picture(self, picture: Picture, boxes: ArrayLike | None = None) -> PhotoResult:
        """As `predict`, for a decoded source; a failure becomes the result's error."""
        if picture.rgb is None:
            return PhotoResult.failed(picture.name, picture.error or f"{picture.name}: no picture")
        rgb = picture.rgb
        try:
            return self._look(picture.name, rgb, boxes, lambda: rgb)
        except InputError as error:
            return PhotoResult.failed(picture.name, str(error), picture.size)

    def classify(self, crops: Sequence[ImageSource], channel_order: ChannelOrder = "rgb") -> list[Expression]:
        """Expressions of tight face crops, without detection, in batches.

        Args:
            crops: paths, PIL images or uint8 arrays, of any sizes; each is one face that fills the picture.
            channel_order: of arrays; OpenCV's are ``"bgr"``.

        Returns:
            One answer a crop, in their order.

        Raises:
            InputError: a crop cannot be decoded; the message says which.
        """
        named = ((crop, f"crop {number}") for number, crop in enumerate(crops))
        rgbs = (images.as_rgb(crop, channel_order, name) for crop, name in named)
        return [answer for chunk in _chunks(rgbs) for answer in self._classify_chunk(chunk)]

    def probabilities(self, crops: Sequence[UInt8Image]) -> FloatArray:
        """As `classify`, for RGB arrays in memory (uint8, height x width x 3), as an array.

        Returns:
            float32, N x 7 in the order of `EXPRESSIONS`; each row sums to 1.
        """
        return self._answers(crops).probabilities

    def classify_pictures(self, pictures: Iterable[Picture]) -> Iterator[CropResult]:
        """As `classify`, for decoded sources, one batch in memory at a time; a failure becomes an error."""
        for chunk in _chunks(pictures):
            answers = iter(self._classify_chunk([picture.rgb for picture in chunk if picture.rgb is not None]))
            for picture in chunk:
                yield CropResult(picture.name, None if picture.rgb is None else next(answers), picture.error)

    def _look(
        self, name: str, rgb: UInt8Image, boxes: ArrayLike | None, reload: Callable[[], UInt8Image]
    ) -> PhotoResult:
        height, width = rgb.shape[:2]
        found = self.detector.detect(rgb) if boxes is None else user_boxes(boxes, height, width, name)
        faces = self._recognise(rgb, found)
        return PhotoResult(name, width, height, faces, summarise(faces), picture=reload, info=self.info)

    def _recognise(self, rgb: UInt8Image, found: Detections) -> tuple[Face, ...]:
        if not len(found):
            return ()
        crops = images.crop_faces(self._model.prepare(rgb), found.boxes.tolist(), self.info.size, self.info.margin)
        answers = self._model.answers(crops).each()
        return tuple(self._face(found, index, row, effective) for index, (row, effective) in enumerate(answers))

    def _face(self, found: Detections, index: int, probabilities: FloatArray, effective_px: float | None) -> Face:
        x1, y1, x2, y2 = found.boxes[index].tolist()
        answer = self._answer(probabilities, y2 - y1, effective_px)
        points = None if found.landmarks is None else found.landmarks[index].tolist()
        return Face(
            box=(x1, y1, x2, y2),
            detection_score=float(found.scores[index]),
            landmarks=points and tuple((x, y) for x, y in points),
            size_px=answer.size_px,
            expression=answer.expression,
            probability=answer.probability,
            probabilities=answer.probabilities,
            certain=answer.certain,
            too_small=answer.size_px < self._min_face,
            effective_px=answer.effective_px,
        )

    def _answers(self, crops: Sequence[UInt8Image]) -> Answers:
        side = self.info.size
        shape = (0, side, side) if self.info.colour == "grey" else (0, side, side, 3)
        resized = [images.resize(self._model.prepare(crop), (side, side)) for crop in crops]
        return self._model.answers(np.stack(resized) if resized else np.zeros(shape, np.uint8))

    def _classify_chunk(self, rgbs: Sequence[UInt8Image]) -> list[Expression]:
        if not rgbs:
            return []
        rows = zip(self._answers(rgbs).each(), rgbs, strict=True)
        return [self._answer(row, float(rgb.shape[0]), effective) for (row, effective), rgb in rows]

    def _answer(self, probabilities: FloatArray, size_px: float, effective_px: float | None) -> Expression:
        info = self.info
        return likeliest(probabilities, size_px, info.certain_from, self._min_face, effective_px, info.certain_px)


def user_boxes(boxes: ArrayLike, height: int, width: int, name: str) -> Detections:
    """The user's own boxes as detections: cut to the picture, scored 1, without landmarks.

    Args:
        boxes: N x 4, ``xyxy`` in pixels of a picture of ``height`` x ``width``.
        name: of the picture, for messages.

    Raises:
        InputError: a box is none, or lies wholly outside the picture; the message says which.
    """
    checked = [_check_inside(box, number, height, width, name) for number, box in enumerate(_rows_of_four(boxes, name))]
    corners = np.array(checked, np.float32).reshape(-1, 4)
    return Detections(corners, np.ones(len(checked), np.float32))


def _rows_of_four(boxes: ArrayLike, name: str) -> list[list[float]]:
    try:
        rows = np.asarray(boxes, np.float64)
    except (TypeError, ValueError):
        rows = np.zeros((1, 0))
    if rows.size == 0 and rows.ndim < 2:
        return []
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise InputError(f"{name}: boxes must be N rows of four numbers x1, y1, x2, y2")
    return [[float(value) for value in row] for row in rows]


def _check_inside(box: Sequence[float], number: int, height: int, width: int, name: str) -> Box:
    x1, y1, x2, y2 = check_box(tuple(box), f"{name}: box {number}")
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise InputError(
            f"{name}: box {number} {[x1, y1, x2, y2]} lies outside the picture of {width} x {height} pixels"
        )
    return inside


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, BATCH)):
        yield chunk
