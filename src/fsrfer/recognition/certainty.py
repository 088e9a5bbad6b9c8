"""The one rule of what is certain and what is too small, for photos, crops and videos."""

from dataclasses import dataclass

from fsrfer.labels import EXPRESSIONS, by_name
from fsrfer.model_file import ModelInfo
from fsrfer.types import Expression, FloatArray

MIN_FACE = 6.0
"""Height in pixels below which a face is listed, but never certain nor counted in the shares."""

LEGIBLE_FROM = 0.5
"""How likely it must be that an expression can be told, for any answer to be certain."""


@dataclass(frozen=True, slots=True)
class CertaintyRule:
    """When an answer is called certain.

    Attributes:
        certain_from: the smallest probability.
        certain_px: the smallest effective height in pixels (of the height itself where it is not estimated).
        min_face: the smallest height in pixels; lower faces are too small to count.
    """

    certain_from: float
    certain_px: float = 0.0
    min_face: float = MIN_FACE

    @classmethod
    def of_model(cls, info: ModelInfo, min_face: float = MIN_FACE) -> "CertaintyRule":
        """The rule that a model's file states, with a smallest height of the user's."""
        return cls(info.certain_from, info.certain_px, min_face)

    def is_too_small(self, size_px: float) -> bool:
        """Whether a face of this height in pixels is too small to count."""
        return size_px < self.min_face

    def judge(
        self, probabilities: FloatArray, size_px: float, effective_px: float | None = None, legible: float = 1.0
    ) -> Expression:
        """Seven probabilities as an answer.

        Args:
            probabilities: float32, 7.
            size_px: height of the face in pixels.
            effective_px: the model's blind estimate; the answer's never exceeds ``size_px``.
            legible: how likely it is that an expression can be told, 0..1.
        """
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        effective = None if effective_px is None else min(size_px, effective_px)
        large = not self.is_too_small(size_px) and (size_px if effective is None else effective) >= self.certain_px
        certain = probability >= self.certain_from and large and legible >= LEGIBLE_FROM
        return Expression(size_px, EXPRESSIONS[best], probability, by_name(probabilities), certain, effective, legible)
