"""Antialiased bicubic resizing as matrices, so that a batch can hold faces of any mixture of sizes.

The kernel is MATLAB's and PIL's bicubic (Keys, a = -0.5; IEEE ASSP 1981), widened by the scale when shrinking. Output
pixels are centred as PIL does it: the whole input maps onto the whole output, so the scale is exactly in/out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5.

    Example:
        >>> cubic(np.array([0.0, 0.5, 1.0, 1.5, 2.0])).tolist()
        [1.0, 0.5625, 0.0, -0.0625, 0.0]
    """
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1.0
    outer = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel of linear interpolation."""
    return np.maximum(0.0, 1.0 - np.abs(x))


def box(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel of a mean over a pixel's own area; closed on the right, as PIL's."""
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A resampling kernel and the distance from its centre, in pixels, beyond which it is zero."""

    weights: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    support: float


BICUBIC, BILINEAR, BOX = Kernel(cubic, 2.0), Kernel(triangle, 1.0), Kernel(box, 0.5)
"""PIL's kernels of these names."""


def resize_matrix(length_in: int, length_out: int, kernel: Kernel = BICUBIC) -> NDArray[np.float64]:
    """The linear map that resizes one axis: ``output = matrix @ input``.

    Args:
        length_in: pixels before.
        length_out: pixels after.
        kernel: widened by the scale when shrinking (antialiasing).

    Returns:
        float64, length_out x length_in; every row sums to 1.
    """
    scale = length_in / length_out
    widening = max(scale, 1.0)
    centres = (np.arange(length_out) + 0.5) * scale
    # PIL keeps only the pixels whose centre lies within the kernel's support, rounded to whole pixels.
    reach = kernel.support * widening
    first = np.maximum(np.floor(centres - reach + 0.5), 0)
    last = np.minimum(np.floor(centres + reach + 0.5), length_in)
    positions = np.arange(length_in)
    weights = kernel.weights((positions + 0.5 - centres[:, None]) / widening)
    weights *= (positions >= first[:, None]) & (positions < last[:, None])
    normalised: NDArray[np.float64] = weights / weights.sum(1, keepdims=True)
    return normalised


class BatchDegrader:
    """Shrinks each square face of a batch to its own size and brings it back, like `images.shrink_and_restore`.

    All sizes share two banks of S x S matrices (the small picture is padded with zeros), so that one batched product
    serves any mixture of sizes.

    Args:
        size: side S of the faces in pixels.
        device: where the banks live.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        shrink, restore = np.zeros((size + 1, size, size)), np.zeros((size + 1, size, size))
        for small in range(1, size + 1):
            shrink[small, :small] = resize_matrix(size, small)
            restore[small, :, :small] = resize_matrix(small, size)
        self.size = size
        self._shrink = torch.from_numpy(shrink).float().to(device)
        self._restore = torch.from_numpy(restore).float().to(device)

    def small_sizes(self, factors: Tensor, heights: Tensor | None = None) -> Tensor:
        """The side in pixels that each factor leaves: ``round(height / factor)``, between 1 and S.

        Args:
            factors: float, N.
            heights: N, of the faces before they were brought to S; None where that was S. A factor that leaves more
                than S pixels costs the face nothing that its new size did not.
        """
        whole = self.size if heights is None else heights
        return (whole / factors).round().long().clamp(1, self.size)

    def __call__(self, faces: Tensor, small: Tensor) -> Tensor:
        """Degrade a batch.

        Args:
            faces: float, N x C x S x S, values 0..255.
            small: long, N, the intermediate side of each face in pixels (S leaves it as it is).

        Returns:
            float, N x C x S x S, whole numbers 0..255.
        """
        return self.restore(_round(_both_axes(faces, self._shrink[small])), small)

    def restore(self, pictures: Tensor, small: Tensor) -> Tensor:
        """Enlarge small pictures to S.

        Args:
            pictures: float, N x C x S x S, values 0..255, each in the upper left corner; the rest is not read.
            small: long, N, the side of each picture in pixels.

        Returns:
            float, N x C x S x S, whole numbers 0..255.
        """
        return _round(_both_axes(pictures, self._restore[small]))


def _both_axes(faces: Tensor, matrices: Tensor) -> Tensor:
    rows = matrices[:, None]  # N x 1 x out x in
    return _round(faces @ rows.transpose(-1, -2)).transpose(-1, -2).matmul(rows.transpose(-1, -2)).transpose(-1, -2)


def _round(values: Tensor) -> Tensor:
    return torch.floor(values + 0.5).clamp(0, 255)
