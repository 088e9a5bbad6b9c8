"""Pictures that need no file of their own: pixels between the columns of a table, or out of a pack."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fsrfer.errors import InputError
from fsrfer.types import UInt8Image


@dataclass(frozen=True, slots=True)
class InlinePixels:
    """A square grey picture that a table holds between its other columns.

    Attributes:
        grey: its values 0..255, row by row.
        side: in pixels.
    """

    grey: bytes
    side: int

    def rgb(self) -> UInt8Image:
        """uint8, side x side x 3, each channel the same."""
        square = np.frombuffer(self.grey, np.uint8).reshape(self.side, self.side, 1)
        return np.repeat(square, 3, axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class PackedPixels:
    """A picture out of a pack, which was decoded when it was packed.

    Attributes:
        values: uint8, H x W x 1 (grey) or H x W x 3.
        height: in pixels, before the picture was brought to the pack's size.
        digest: SHA-256 of the picture as it was decoded.
        sized: whether it was brought to a size; if not, it is the picture itself.
    """

    values: NDArray[np.uint8]
    height: int
    digest: bytes
    sized: bool

    def rgb(self) -> UInt8Image:
        """uint8, H x W x 3: the picture itself.

        Raises:
            InputError: the pack does not hold it.
        """
        if self.sized:
            raise InputError(f"packed at {len(self.values)} pixels, for training alone; pack it without --size")
        return np.repeat(self.values, 3, axis=2) if self.values.shape[2] == 1 else self.values

    def at(self, size: int, colour: Literal["grey", "rgb"]) -> UInt8Image:
        """The picture as it was packed, of a size and colour: uint8, size x size or size x size x 3.

        Raises:
            InputError: it was packed at others.
        """
        side, channels = len(self.values), self.values.shape[2]
        if side != size or channels != (1 if colour == "grey" else 3):
            packed = f"{side} pixels in {'grey' if channels == 1 else 'rgb'}"
            raise InputError(
                f"packed at {packed}, not {size} in {colour}; pack it with --size {size} --colour {colour}"
            )
        return self.values[..., 0] if colour == "grey" else self.values
