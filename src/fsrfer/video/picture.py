"""Decoded frames as upright RGB with square pixels, all of one size."""

from typing import TYPE_CHECKING

import numpy as np

from fsrfer.errors import InputError
from fsrfer.images import MAX_PIXELS
from fsrfer.types import UInt8Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

ALIKE = 0.02
"""Difference of two shapes, relative, up to which a picture is stretched rather than framed in black."""


class Picture:
    """Decoded frames as RGB of one size: a stream may change it on the way; ``resized`` says whether it did."""

    def __init__(self, name: str, pixel_width: float) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._name, self._pixel_width = name, pixel_width
        self._reformatter: VideoReformatter = VideoReformatter()
        # From 17 on PyAV converts with every processor unless told otherwise, which is slower and takes them from the networks.
        self._threads = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}
        self._size: tuple[int, int] | None = None
        self.resized = False

    def rgb(self, frame: "VideoFrame") -> UInt8Image:
        """A frame turned as its display matrix asks, with square pixels, scaled into the first frame's size.

        Raises:
            InputError: the frame is too large.
        """
        if frame.width * frame.height > MAX_PIXELS:
            raise InputError(f"{self._name}: frames of more than {MAX_PIXELS // 10**6} megapixels are refused")
        quarter_turns = round(frame.rotation / 90) % 4
        shape = max(1, round(frame.width * self._pixel_width)), frame.height
        upright = shape[::-1] if quarter_turns % 2 else shape
        self._size = self._size or upright
        self.resized |= upright != self._size
        inside = _fitted(upright, self._size)
        width, height = inside[::-1] if quarter_turns % 2 else inside
        converted = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", **self._threads)
        rgb = np.asarray(converted.to_ndarray(), np.uint8)
        return _centred(np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb, self._size)


def _fitted(size: tuple[int, int], into: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture enlarged or shrunk into another's, nothing stretched by more than rounding needs."""
    scale = min(into[0] / size[0], into[1] / size[1])
    width, height = (max(1, round(side * scale)) for side in size)
    alike = into[0] - width <= ALIKE * into[0] and into[1] - height <= ALIKE * into[1]
    return into if alike else (width, height)


def _centred(rgb: UInt8Image, size: tuple[int, int]) -> UInt8Image:
    """The picture in the middle of a black one of a width and height."""
    height, width = rgb.shape[:2]
    if (width, height) == size:
        return rgb
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    canvas[top : top + height, left : left + width] = rgb
    return canvas
