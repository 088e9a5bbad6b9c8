"""Trained networks as predictors: any faces in, probabilities out."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from fsrfer.images import resize, to_grey
from fsrfer.networks.covpool import CovPoolModel
from fsrfer.types import FloatArray, UInt8Image

Logits = Callable[[Tensor], Tensor]
"""Faces (float, N x C x S x S, values 0..255) to logits or decision values, N x 7."""


class TorchPredictor:
    """Brings faces to one size and colour, runs a network in batches, and gives probabilities.

    Args:
        logits: the method.
        size: side of its input in pixels.
        colour: ``"grey"`` or ``"rgb"``.
        device: where it runs.
    """

    def __init__(
        self, logits: Logits, size: int, colour: Literal["grey", "rgb"], device: torch.device | str = "cpu"
    ) -> None:
        self.logits, self.size, self.colour, self.device = logits, size, colour, device

    @torch.no_grad()
    def __call__(self, faces: Sequence[UInt8Image]) -> FloatArray:
        """Probabilities of faces of any sizes (uint8, grey or RGB): float32, N x 7."""
        rows = [np.zeros((0, 7), np.float32)]
        for start in range(0, len(faces), 128):
            inputs = torch.from_numpy(np.stack([self._prepared(face) for face in faces[start : start + 128]]))
            rows.append(self.logits(inputs.to(self.device).float()).float().softmax(1).cpu().numpy())
        return np.concatenate(rows)

    def _prepared(self, face: UInt8Image) -> UInt8Image:
        side = (self.size, self.size)
        if self.colour == "grey":
            return resize(to_grey(face), side)[None]
        colour = np.repeat(face[:, :, None], 3, axis=2) if face.ndim == 2 else face
        return np.ascontiguousarray(resize(colour, side).transpose(2, 0, 1))


def feature_super_resolution(generator: nn.Module, fixed: CovPoolModel, svm: nn.Module | None = None) -> Logits:
    """FSR-FER: the feature is restored, then classified by the fixed head, or by an SVM on its embedding."""

    def logits(faces: Tensor) -> Tensor:
        output = fixed.head(generator(fixed.features(faces)))
        values: Tensor = output.logits if svm is None else svm(output.embedding)
        return values

    return logits
