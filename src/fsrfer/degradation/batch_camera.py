"""`camera.CameraDegrader` for an accelerator: grey faces of a whole batch at once, with nothing brought back to the processor.

Its faces are those of the camera on the CPU but for noise of its own and single grey levels: JPEG's blocks are transformed by
two 8 x 8 products each, where libjpeg counts in whole numbers. Which camera takes a face is drawn alike.
"""

import math
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from fsrfer.degradation.camera import KERNELS, NO_JPEG, CameraDraws, blurred
from fsrfer.degradation.resize import BatchDegrader, resize_matrix

BLOCK = 8

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation of luma at quality 50: ITU-T T.81, table K.1."""


class BatchCamera:
    """Cameras for a batch of grey faces, where the faces live.

    Args:
        size: side S of the faces in pixels.
        device: where the faces live.
    """

    def __init__(self, size: int, device: torch.device | str) -> None:
        banks = np.zeros((len(KERNELS), size + 1, size, size))
        for number, kernel in enumerate(KERNELS):
            for small in range(1, size + 1):
                banks[number, small, :small] = resize_matrix(size, small, kernel)
        self.size = size
        self._banks = torch.from_numpy(banks).float().to(device)
        self._plain = BatchDegrader(size, device)
        self._jpeg = Jpeg(size, device)

    def __call__(self, faces: Tensor, small: Tensor, draws: CameraDraws, noise: Tensor, places: Tensor) -> Tensor:
        """Degrade a batch; all arguments are where the faces live.

        Args:
            faces: float, N x 1 x S x S, values 0..255.
            small: long, N, the side of each small picture in pixels.
            draws: of the same N; their seeds are not used.
            noise: float, N x 1 x S x S, of standard deviation 1.
            places: long, N x 2, of each small picture in JPEG's grid: rows and columns of its block before it, 0..7.

        Returns:
            float, N x 1 x S x S, whole numbers 0..255.
        """
        scale = self.size / small
        scene = blurred(faces.double(), draws.blur * scale, draws.motion * scale, draws.angle).float()
        matrices = self._banks[draws.kernel, small][:, None]
        light = (matrices @ scene @ matrices.transpose(-1, -2)).clamp(0, 255)
        shot, deviation = (values[:, None, None, None] for values in (draws.shot, draws.noise))
        noisy = light + deviation * (1 - shot + shot * light / 255).sqrt() * noise
        pictures = torch.floor(noisy + 0.5).clamp(0, 255)
        coded = self._jpeg(pictures, small, draws.quality.clamp(max=99), places)
        pictures = torch.where((draws.quality < NO_JPEG)[:, None, None, None], coded, pictures)
        taken = self._plain.restore(pictures, small)
        return torch.where(draws.chosen[:, None, None, None], taken, self._plain(faces, small))


class Jpeg:
    """JPEG of small grey pictures, each with its own side, quality and place in the grid of blocks."""

    def __init__(self, size: int, device: torch.device | str) -> None:
        places = np.arange(BLOCK)
        waves = np.sqrt(2 / BLOCK) * np.cos((2 * places[None] + 1) * places[:, None] * np.pi / (2 * BLOCK))
        waves[0] /= math.sqrt(2)
        self.size = size
        self.framed = -(-(size + BLOCK - 1) // BLOCK) * BLOCK
        self._waves = torch.from_numpy(waves).float().to(device)
        self._luma = torch.tensor(_LUMA, device=device).float()

    def __call__(self, pictures: Tensor, small: Tensor, quality: Tensor, places: Tensor) -> Tensor:
        """Code and decode; pictures float, N x 1 x S x S, each in the upper left corner, of which the rest is not read."""
        last = (small - 1)[:, None]
        along = torch.arange(self.framed, device=pictures.device)
        rows, columns = (  # edge pixels repeated, before and after
            torch.minimum((along - place[:, None]).clamp(min=0), last) for place in places.unbind(1)
        )
        blocks = _blocks(_picked(pictures[:, 0], rows, columns) - 128)
        table = self._table(quality)[:, None, None]
        quotients = self._waves @ blocks @ self._waves.T / table
        coefficients = quotients.sign() * torch.floor(quotients.abs() + 0.5) * table  # halves away from 0, as libjpeg
        framed = _joined(self._waves.T @ coefficients @ self._waves)
        decoded = torch.round(framed + 128).clamp(0, 255)
        within = torch.arange(self.size, device=pictures.device)
        top, left = (within + place[:, None] for place in places.unbind(1))
        return _picked(decoded, top, left)[:, None]

    def _table(self, quality: Tensor) -> Tensor:
        """Quantisation of each quality, as libjpeg has it, N x 8 x 8."""
        percent = torch.where(quality < 50, torch.floor(5000 / quality), 200.0 - 2 * quality)[:, None, None]
        return torch.floor((self._luma * percent + 50) / 100).clamp(1, 255)


def on_device(draws: CameraDraws, device: torch.device) -> CameraDraws:
    """The same draws on another device."""
    return CameraDraws(*(getattr(draws, item.name).to(device, non_blocking=True) for item in fields(draws)))


def _picked(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Rows, then columns of each picture: N x A x B, N x a and N x b to N x a x b."""
    across = pictures.gather(1, rows[:, :, None].expand(-1, -1, pictures.shape[2]))
    return across.gather(2, columns[:, None, :].expand(-1, rows.shape[1], -1))


def _blocks(framed: Tensor) -> Tensor:
    count = framed.shape[-1] // BLOCK
    return framed.reshape(-1, count, BLOCK, count, BLOCK).transpose(2, 3)


def _joined(blocks: Tensor) -> Tensor:
    side = blocks.shape[1] * BLOCK
    return blocks.transpose(2, 3).reshape(-1, side, side)
