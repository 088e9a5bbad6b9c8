"""What a camera does to a face, in batches: blur, shrinking, sensor noise, JPEG; then enlarged again.

All chances are drawn for the whole batch first (`draw`), a seed for every face's noise included, so that a process that
takes some rows of a batch makes the same faces. The order is that of a camera: optics and motion blur the scene, the
sensor samples it and adds noise, the encoder comes last (as in Zhang et al., ICCV 2021, and Wang et al., ICCVW 2021).
"""

import functools
import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fsrfer.degradation.resize import BICUBIC, BILINEAR, BOX, BatchDegrader, Kernel, resize_matrix
from fsrfer.images import jpeg_coded
from fsrfer.types import UInt8Image

KERNELS = (BICUBIC, BILINEAR, BOX)
"""Kernels that a camera may shrink with, each as likely as the others."""

BEST_JPEG, NO_JPEG = 95, 100

_JPEG_UNIT = {1: 8, 3: 16}
"""Side in pixels of JPEG's coding units by the number of channels; colour has half the resolution."""

_FACTOR_OF_SIGMA = math.pi / math.sqrt(2 * math.log(2)) / math.sqrt(2)
_FACTOR_OF_MOTION = 1 / (2 * 0.60335) / math.sqrt(2)


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """How poor the cameras are; every extent is drawn uniformly between none and the value given here.

    Attributes:
        share: of faces that a camera degrades, 0..1; the others are only shrunk, bicubic.
        blur: largest standard deviation of the Gaussian blur, in pixels of the small picture.
        motion: longest motion blur, in pixels of the small picture.
        noise: largest standard deviation of the noise, in grey levels 0..255.
        jpeg_quality: lowest quality, 1..95, drawn uniformly from here to 95; 100 is no JPEG.
    """

    share: float
    blur: float
    motion: float
    noise: float
    jpeg_quality: int


@dataclass(frozen=True, slots=True)
class CameraDraws:
    """What was drawn for each of N faces: tensors of shape N, on the CPU.

    Attributes:
        chosen: bool; whether a camera degrades the face. If not, nothing else here matters.
        blur: float, standard deviation in pixels of the small picture.
        motion: float, length in pixels of the small picture.
        angle: float, direction of the motion in radians, 0..pi.
        kernel: long, index into `KERNELS`.
        noise: float, standard deviation at white in grey levels.
        shot: float, the share of the noise's variance at white that is proportional to the light, 0..1.
        quality: long, of JPEG; `NO_JPEG` for none.
        seed: long, of the noise and of the place in JPEG's grid.
    """

    chosen: Tensor
    blur: Tensor
    motion: Tensor
    angle: Tensor
    kernel: Tensor
    noise: Tensor
    shot: Tensor
    quality: Tensor
    seed: Tensor

    def __getitem__(self, rows: slice | Tensor) -> "CameraDraws":
        return CameraDraws(*(getattr(self, item.name)[rows] for item in fields(self)))


def draw(count: int, settings: CameraSettings, generator: torch.Generator) -> CameraDraws:
    """Draw the cameras of ``count`` faces. One setting does not change what is drawn for the others."""

    def uniform(extent: float = 1.0) -> Tensor:
        return torch.rand(count, generator=generator) * extent

    return CameraDraws(
        chosen=uniform() < settings.share,
        blur=uniform(settings.blur),
        motion=uniform(settings.motion),
        angle=uniform(math.pi),
        kernel=torch.randint(len(KERNELS), (count,), generator=generator),
        noise=uniform(settings.noise),
        shot=uniform(),
        quality=_qualities(uniform(), settings.jpeg_quality),
        seed=torch.randint(2**53, (count,), generator=generator),
    )


def _qualities(chances: Tensor, lowest: int) -> Tensor:
    if lowest > BEST_JPEG:
        return torch.full(chances.shape, NO_JPEG)
    return (lowest + chances * (BEST_JPEG + 1 - lowest)).long().clamp(max=BEST_JPEG)


def effective_sizes(small: Tensor, draws: CameraDraws) -> Tensor:
    """The height of the plainly shrunk picture that keeps as much detail.

    Filters are compared by the frequency that they halve (-6 dB). Antialiased bicubic shrinking by f halves 1/(2f) cycles
    a pixel, a Gaussian of standard deviation s halves 0.1874/s, motion of length l halves 0.603/l along its direction. A
    plainly shrunk picture is blurred once more as it is enlarged, by about as much, so a blur counts as shrinking by
    1/sqrt(2) of that: by 1.89 s and by 0.59 l. Factors add as squares, as the widths of successive blurs do; of the
    two axes the geometric mean is taken. Noise, JPEG and the kernel of shrinking are left out. So is enlarging, which
    blurs a plainly shrunk picture once more: of enlarged pictures, those a fifth to a third larger look the most alike.

    Args:
        small: long, N, the side of each small picture in pixels.
        draws: of the same N.

    Returns:
        float, N, in pixels; ``small`` itself where no camera was chosen.
    """
    across = 1 + (_FACTOR_OF_SIGMA * draws.blur) ** 2
    along = across + (_FACTOR_OF_MOTION * draws.motion) ** 2
    factors = torch.where(draws.chosen, (across * along) ** 0.25, 1.0)
    return small / factors.to(small.device)


class CameraDegrader:
    """As `BatchDegrader`, but with a camera for the faces that were chosen.

    Cameras work on the CPU, and in double precision up to the rounding to pixels: JPEG would make a visible difference
    of the last bits in which batches of other shapes differ.

    Args:
        size: side S of the faces in pixels.
        device: where the faces live.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        self.size = size
        self._plain = BatchDegrader(size, device)

    def __call__(self, faces: Tensor, small: Tensor, draws: CameraDraws) -> Tensor:
        """Degrade a batch.

        Args:
            faces: float, N x C x S x S, values 0..255; C is 1 (grey) or 3 (RGB).
            small: long, N, the side of each small picture in pixels.
            draws: of the same N.

        Returns:
            float, N x C x S x S, whole numbers 0..255.
        """
        result = self._plain(faces, small)
        rows = draws.chosen.nonzero()[:, 0]
        if len(rows):
            there = rows.to(faces.device)
            pictures = self._pictures(faces[there].cpu().double(), small[there].cpu(), draws[rows])
            result[there] = self._plain.restore(pictures.to(faces), small[there])
        return result

    def _pictures(self, faces: Tensor, small: Tensor, draws: CameraDraws) -> Tensor:
        scale = self.size / small.double()
        scene = blurred(faces, draws.blur * scale, draws.motion * scale, draws.angle).numpy()
        pictures = np.zeros(scene.shape, np.float32)
        for row, side in enumerate(small.tolist()):
            matrix = _shrinking(self.size, side, int(draws.kernel[row]))
            light = matrix @ scene[row] @ matrix.T
            pictures[row, :, :side, :side] = _taken(light, draws, row)
        return torch.from_numpy(pictures)


def blurred(faces: Tensor, sigma: Tensor, length: Tensor, angle: Tensor) -> Tensor:
    """Gaussian and motion blur, each face its own, by their transfer functions.

    Edge pixels are repeated for a quarter of the side; beyond, where only the widest blurs reach, the picture recurs.

    Args:
        faces: double, N x C x S x S.
        sigma: N, standard deviation of the Gaussian in pixels.
        length: N, of the motion in pixels.
        angle: N, its direction in radians; 0 is along the rows.
    """
    size, margin = faces.shape[-1], faces.shape[-1] // 4
    padded = F.pad(faces, (margin,) * 4, mode="replicate")
    side = padded.shape[-1]
    down = torch.fft.fftfreq(side, dtype=torch.float64, device=faces.device)[:, None]
    across = torch.fft.rfftfreq(side, dtype=torch.float64, device=faces.device)
    sigma, length, angle = (values.double()[:, None, None] for values in (sigma, length, angle))
    gaussian = torch.exp(-2 * (math.pi * sigma) ** 2 * (across**2 + down**2))
    motion = torch.sinc(length * (across * torch.cos(angle) + down * torch.sin(angle)))
    spectrum = torch.fft.rfft2(padded) * (gaussian * motion)[:, None]
    scene: Tensor = torch.fft.irfft2(spectrum, s=(side, side))
    return scene[..., margin : margin + size, margin : margin + size]


@functools.cache
def _shrinking(size: int, small: int, kernel: int) -> NDArray[np.float64]:
    chosen: Kernel = KERNELS[kernel]
    return resize_matrix(size, small, chosen)


def _taken(light: NDArray[np.float64], draws: CameraDraws, row: int) -> UInt8Image:
    """The light (C x s x s) as the camera delivers it: with noise, in whole grey levels, after JPEG."""
    chances = np.random.default_rng(int(draws.seed[row]))
    light = np.clip(light, 0, 255)
    shot = float(draws.shot[row])
    deviation = float(draws.noise[row]) * np.sqrt(1 - shot + shot * light / 255)
    noisy = light + deviation * chances.standard_normal(light.shape)
    pixels = np.clip(np.floor(noisy + 0.5), 0, 255).astype(np.uint8)
    quality, place = int(draws.quality[row]), chances.integers(_JPEG_UNIT[len(light)], size=2)
    return pixels if quality >= NO_JPEG else _after_jpeg(pixels, quality, place)


def _after_jpeg(pixels: UInt8Image, quality: int, place: NDArray[np.int64]) -> UInt8Image:
    """JPEG, with the picture (C x s x s) at a place in the grid of blocks, for a face is never at the frame's corner."""
    (top, left), side = place, pixels.shape[-1]
    rows, columns = (np.maximum(np.arange(-before, side), 0) for before in (top, left))  # edge pixels repeated
    framed = pixels[:, rows[:, None], columns]
    coded = jpeg_coded(framed[0] if len(framed) == 1 else framed.transpose(1, 2, 0), quality)
    planes = coded[None] if coded.ndim == 2 else coded.transpose(2, 0, 1)
    return planes[:, top : top + side, left : left + side]
