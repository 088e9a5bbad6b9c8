"""How likely it is that an expression can be told from a face at all: by a small network, and by where the face's marks lie."""

from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer import images
from fsrfer.model_file import ModelInfo, verify_seal
from fsrfer.recognition.devices import CPU, DEVICES
from fsrfer.recognition.model import LEGIBLE, as_network_input, batches, read_info
from fsrfer.recognition.runtime import open_session
from fsrfer.types import Detections, FloatArray, UInt8Image

SIDE = 48
"""Side in pixels of the crops that the network takes as they are."""

WEIGHTS = ("weights", "legible", "legible.onnx")
"""Where the bundled network is, in the package."""


class LegibilityModel:
    """The bundled network, for the crops of any recogniser that does not tell by itself; loaded when it is first needed."""

    def __init__(self, threads: int | None = None, device: str = CPU):
        """``threads`` and ``device`` as for `open_session`."""
        self._threads, self._device = threads, device

    def legible(self, crops: UInt8Image) -> FloatArray:
        """How likely an expression can be told from each crop.

        Args:
            crops: uint8, N x S x S (grey) or N x S x S x 3 (RGB), as for a recogniser of expressions.

        Returns:
            float32, N, 0..1.

        Raises:
            ModelError: the network is missing or damaged.
        """
        session, grey = self._session, crops
        if crops.shape[1:] != (SIDE, SIDE):
            grey = np.stack([images.resize(images.to_grey(crop), (SIDE, SIDE)) for crop in crops])
        parts = [
            session.run([LEGIBLE], {"faces": as_network_input(batch)})[0].reshape(-1)[:count]
            for batch, count in batches(grey, DEVICES[self._device])
        ]
        return np.asarray(np.concatenate(parts), np.float32)

    @cached_property
    def info(self) -> ModelInfo:
        """What its file says of itself."""
        return read_info(self._session, WEIGHTS[-1])

    @cached_property
    def _session(self) -> Any:
        data = resources.files("fsrfer").joinpath(*WEIGHTS).read_bytes()
        verify_seal(data, WEIGHTS[-1])
        return open_session(data, WEIGHTS[-1], self._threads, self._device)

    def __reduce__(self) -> "tuple[type[LegibilityModel], tuple[int | None, str]]":
        """Where it arrives, a copy opens its file again."""
        return type(self), (self._threads, self._device)


def are_cut_off(found: Detections, height: int, width: int) -> NDArray[np.bool_]:
    """Which faces have an eye, the nose or a corner of the mouth beyond the picture's edge.

    Args:
        found: N faces; without landmarks none is known to be cut off.
        height, width: of the picture.

    Returns:
        bool, N.
    """
    if found.landmarks is None:
        return np.zeros(len(found), bool)
    x, y = found.landmarks[..., 0], found.landmarks[..., 1]
    return np.asarray(((x < 0) | (x > width) | (y < 0) | (y > height)).any(axis=1))
