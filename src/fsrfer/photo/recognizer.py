"""Photos and crops from end to end: a picture in, the expressions of its faces out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from fsrfer import images
from fsrfer.artefacts.locating import locate
from fsrfer.errors import FsrferError, InputError
from fsrfer.group.estimate import estimate_group
from fsrfer.images import ChannelOrder, ImageSource
from fsrfer.labels import EXPRESSIONS, in_order
from fsrfer.model_file import ModelInfo
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.recognition.boxes import user_boxes
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.devices import CPU
from fsrfer.recognition.faces import CropModel, FaceDetector, FaceRecognizer
from fsrfer.recognition.sources import Picture
from fsrfer.types import Expression, FloatArray, UInt8Image

T = TypeVar("T")


class Recognizer:
    """Finds faces and recognises their expressions; load it once, use it for many pictures.

    It can be sent to another process, where it opens its files again.

    Example:
        >>> from fsrfer import Recognizer
        >>> recognizer = Recognizer()  # doctest: +SKIP
        >>> recognizer.predict("crowd.jpg").group.shares  # doctest: +SKIP
        {'surprise': 0.1, ...}
    """

    def __init__(
        self,
        model: str | Path | CropModel = "default",
        detector: str | Path | FaceDetector = "default",
        threads: int | None = None,
        min_face: float = MIN_FACE,
        max_pixels: int = images.MAX_PIXELS,
        device: str = CPU,
    ):
        """Load the recogniser; the detector follows when it is first needed.

        Args:
            model: a bundled model's name, the path of a model file or of a folder with one, or an object that recognises
                crops.
            detector: ``fast``, ``default``, ``tiny``, the path of a YuNet ONNX file, or an object that finds faces.
            threads: for each of the two networks; None takes one for each processor granted.
            min_face: faces lower than this, in pixels, are listed, but never certain nor in the shares.
            max_pixels: pictures of more are refused before they are decoded.
            device: ``cpu``, ``cuda``, ``openvino``, ``coreml``, ``directml``, or ``auto``: CUDA where it works, else the CPU.

        Raises:
            DeviceError: the device cannot be used; the message says which package is missing.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self._faces = FaceRecognizer(model, detector, threads, min_face, device)
        self._max_pixels = max_pixels
        self._origin: str | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        detector: str | Path | FaceDetector = "default",
        threads: int | None = None,
        min_face: float = MIN_FACE,
        max_pixels: int = images.MAX_PIXELS,
        device: str = CPU,
    ) -> Self:
        """Load the recogniser from a folder that ``fsrfer push`` wrote, or from a repository of the Hugging Face hub.

        Args:
            source: the folder; or ``hf://owner/name`` or ``hf://owner/name@revision``, which is fetched into the hub's cache
                (the extra ``hub``). Nothing else makes a request; what is there is not fetched again.
            detector, threads, min_face, max_pixels, device: as above.

        Raises:
            DeviceError: the device cannot be used.
            ModelError: there is no such folder or repository, or its model is damaged or not one of ours.

        Example:
            >>> Recognizer.from_pretrained("owner/name")
            Traceback (most recent call last):
            ...
            fsrfer.errors.ModelError: owner/name: no folder there; for a repository of the hub write hf://owner/name
        """
        folder, origin = locate(source)
        recognizer = cls(folder, detector, threads, min_face, max_pixels, device)
        recognizer._origin = origin
        return recognizer

    @property
    def origin(self) -> str | None:
        """Where `from_pretrained` took the model from: a folder, or a repository with the full hash of its commit."""
        return self._origin

    @property
    def info(self) -> ModelInfo:
        """What the recogniser's file says of itself."""
        return self._faces.model.info

    @property
    def sha256(self) -> str:
        """The seal of the recogniser's file."""
        return self._faces.model.sha256

    @property
    def device(self) -> str:
        """That the networks run on: ``cpu``, ``cuda``, ``openvino``, ``coreml`` or ``directml``."""
        return self._faces.device

    @property
    def detector(self) -> FaceDetector:
        """The face detector.

        Raises:
            ModelError: its weights are missing, changed, or no YuNet.
        """
        return self._faces.detector

    def predict(
        self,
        image: ImageSource,
        boxes: ArrayLike | None = None,
        channel_order: ChannelOrder = "rgb",
        keep_picture: bool = True,
    ) -> PhotoResult:
        """Expressions of every face in a photo.

        Args:
            image: a path, the bytes of a picture file, an open binary file, a PIL image, or a uint8 array (height x width,
                or height x width x 3).
            boxes: your own face boxes instead of the detector's, N x 4 ``xyxy`` in pixels of the upright photo;
                their order is kept, and what leaves the photo is cut off.
            channel_order: of an array; OpenCV's are ``"bgr"``.
            keep_picture: whether the result keeps what `PhotoResult.annotated` draws on: the path of a file, or else a copy
                of the pixels (3 bytes each).

        Returns:
            The faces, best detection first; none, and no guess from the whole picture, where none is found.

        Raises:
            InputError: the picture cannot be decoded, or a box lies outside it.
            ModelError: the detector cannot be loaded.
        """
        rgb = images.as_rgb(image, channel_order, max_pixels=self._max_pixels)
        if isinstance(image, str | Path):
            return self._look(str(image), rgb, boxes, Path(image).absolute() if keep_picture else None)
        return self._look("image", rgb, boxes, rgb.copy() if keep_picture else None)

    def predict_picture(self, picture: Picture, boxes: ArrayLike | None = None) -> PhotoResult:
        """As `predict`, for a decoded source; a failure, whatever it is, becomes the result's error."""
        if picture.rgb is None:
            return PhotoResult.failed(picture.name, picture.error or f"{picture.name}: no picture")
        try:
            return self._look(picture.name, picture.rgb, boxes, picture.rgb)
        except InputError as error:
            return PhotoResult.failed(picture.name, str(error), picture.size)
        except MemoryError:
            return PhotoResult.failed(picture.name, f"{picture.name}: not enough memory for this photo", picture.size)
        except FsrferError:
            raise
        except Exception as error:  # one photo must never lose the others
            message = f"{picture.name}: a fault of fsrfer itself, please report it ({type(error).__name__}: {error})"
            return PhotoResult.failed(picture.name, " ".join(message.split()), picture.size)

    def classify(self, crops: Sequence[ImageSource], channel_order: ChannelOrder = "rgb") -> list[Expression]:
        """Expressions of tight face crops, without detection, in batches.

        Args:
            crops: paths, bytes, PIL images or uint8 arrays, of any sizes; each is one face that fills the picture, and is
                stretched to the network's square (where `predict` takes a square around a box).
            channel_order: of arrays; OpenCV's are ``"bgr"``.

        Returns:
            One answer a crop, in their order.

        Raises:
            InputError: one picture instead of a list of them, or a crop that cannot be decoded; the message says which.
        """
        _require_list(crops)
        named = ((crop, f"crop {number}") for number, crop in enumerate(crops))
        rgbs = (images.as_rgb(crop, channel_order, name, self._max_pixels) for crop, name in named)
        return list(self._expressions(rgbs))

    def probabilities(self, crops: Sequence[UInt8Image]) -> FloatArray:
        """As `classify`, for RGB arrays in memory (uint8, height x width x 3), as an array.

        Returns:
            float32, N x 7 in the order of `EXPRESSIONS`; each row sums to 1.
        """
        rows = [in_order(answer.probabilities) for answer in self._expressions(crops)]
        return np.array(rows, np.float32).reshape(-1, len(EXPRESSIONS))

    def classify_pictures(self, pictures: Iterable[Picture]) -> Iterator[CropResult]:
        """As `classify`, for decoded sources, one batch of small crops in memory; a failure becomes an error."""
        small = ((one.name, one.error, None if one.rgb is None else self._small(one.rgb)) for one in pictures)
        for chunk in self._chunks(small):
            answers = iter(self._judged([crop for _, _, crop in chunk if crop is not None]))
            for name, error, crop in chunk:
                yield CropResult(name, None if crop is None else next(answers), error, self.device)

    def _look(
        self, name: str, rgb: UInt8Image, boxes: ArrayLike | None, picture: UInt8Image | Path | None
    ) -> PhotoResult:
        height, width = rgb.shape[:2]
        found = self.detector.detect(rgb) if boxes is None else user_boxes(boxes, height, width, name)
        faces = self._faces.faces(rgb, found)
        group = estimate_group(faces, self.info)
        return PhotoResult(name, width, height, faces, group, picture=picture, info=self.info, device=self.device)

    def _small(self, rgb: UInt8Image) -> tuple[UInt8Image, float]:
        """A crop as the network takes it, and its height before, so that large pictures need not be kept."""
        side = self.info.size
        return images.resize(self._faces.model.prepare(rgb), (side, side)), float(rgb.shape[0])

    def _expressions(self, rgbs: Iterable[UInt8Image]) -> Iterator[Expression]:
        return chain.from_iterable(self._judged(chunk) for chunk in self._chunks(map(self._small, rgbs)))

    def _judged(self, small: Sequence[tuple[UInt8Image, float]]) -> list[Expression]:
        return self._faces.expressions(np.stack([crop for crop, _ in small]), [px for _, px in small]) if small else []

    def _chunks(self, items: Iterable[T]) -> Iterator[list[T]]:
        remaining = iter(items)
        while chunk := list(islice(remaining, self._faces.batch)):
            yield chunk


def _require_list(crops: object) -> None:
    is_numbers = isinstance(crops, np.ndarray) and crops.dtype != object
    if is_numbers or isinstance(crops, str | Path | bytes | Image.Image):
        raise InputError("classify takes a list of crops; for a single one write classify([crop])")
