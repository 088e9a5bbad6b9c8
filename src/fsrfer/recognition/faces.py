"""The one way from a picture to its faces: crops, answers, judged and put together."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from fsrfer import images
from fsrfer.model_file import ModelInfo
from fsrfer.recognition.certainty import MIN_FACE, CertaintyRule
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.devices import CPU, DEVICES
from fsrfer.recognition.legibility import LegibilityModel, are_cut_off
from fsrfer.recognition.model import Answers, ExpressionModel
from fsrfer.recognition.runtime import choose_device
from fsrfer.types import Detections, Expression, Face, FloatArray, UInt8Image


class FaceDetector(Protocol):
    """What finds faces; `recognition.detection.Detector` does."""

    def detect(self, image: UInt8Image) -> Detections:
        """All faces of a picture (RGB, height x width x 3), best first."""


@runtime_checkable
class FaceFollower(FaceDetector, Protocol):
    """A detector that finds known faces again for less; one of a user need not (``isinstance`` tells)."""

    def look(self, image: UInt8Image, expected: FloatArray) -> Detections:
        """The faces near places (N x 4, ``xyxy`` in pixels) where they were a moment ago, best first; no others."""


class CropModel(Protocol):
    """What recognises the expressions of crops; `recognition.model.ExpressionModel` does."""

    @property
    def info(self) -> ModelInfo:
        """Input, margin and rule of certainty."""

    @property
    def sha256(self) -> str:
        """What distinguishes this model from others."""

    def prepare(self, image: UInt8Image) -> UInt8Image:
        """A whole picture (RGB) in the colours that crops are taken in."""

    def answers(self, crops: UInt8Image) -> Answers:
        """Probabilities (and effective heights, and how legible they are) of crops, N x size x size (x 3)."""


class FaceRecognizer:
    """A detector and a recogniser of crops with their rule; photos and videos share it.

    Attributes:
        model: the recogniser of crops.
        rule: what is certain, and what is too small.
        device: that the bundled networks run on, one of `DEVICES`.
    """

    def __init__(
        self,
        model: str | Path | CropModel = "default",
        detector: str | Path | FaceDetector = "default",
        threads: int | None = None,
        min_face: float = MIN_FACE,
        device: str = CPU,
    ):
        """Load the recogniser; the detector follows when it is first needed.

        Args:
            model: a bundled model's name, the path of a model file, or a `CropModel`.
            detector: ``fast``, ``default``, ``tiny``, the path of a YuNet ONNX file, or a `FaceDetector`.
            threads: for each of the two networks; None takes one for each processor granted.
            min_face: faces lower than this, in pixels, are listed, but never certain nor in the shares.
            device: ``cpu``, ``cuda``, ``openvino``, ``coreml``, ``directml``, or ``auto``: CUDA where it works, else the CPU.

        Raises:
            DeviceError: the device cannot be used.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self.device = choose_device(device)
        self.model: CropModel = ExpressionModel(model, threads, self.device) if isinstance(model, str | Path) else model
        self.rule = CertaintyRule.of_model(self.model.info, min_face)
        self._named_detector, self._threads = detector, threads
        self._legibility = LegibilityModel(threads, self.device)

    @cached_property
    def detector(self) -> FaceDetector:
        """The face detector.

        Raises:
            ModelError: its weights are missing, changed, or no YuNet.
        """
        named = self._named_detector
        return Detector(named, self._threads, self.device) if isinstance(named, str | Path) else named

    @property
    def batch(self) -> int:
        """How many faces the device takes at once."""
        return DEVICES[self.device].batch

    def crops(self, rgb: UInt8Image, found: Detections) -> UInt8Image:
        """The faces of a picture as the model takes them: uint8, N x size x size (x 3)."""
        info = self.model.info
        return images.crop_faces(self.model.prepare(rgb), found.boxes.tolist(), info.size, info.margin)

    def faces(self, rgb: UInt8Image, found: Detections) -> tuple[Face, ...]:
        """Detections of a picture with their expressions, in the same order."""
        if not len(found):
            return ()
        cut_off = are_cut_off(found, *rgb.shape[:2]).tolist()
        return self.assemble(found, self.expressions(self.crops(rgb, found), heights_of(found), cut_off))

    def expressions(
        self,
        crops: UInt8Image,
        heights: Sequence[float],
        cut_off: Sequence[bool] | None = None,
        mirrored: Sequence[bool] | None = None,
    ) -> list[Expression]:
        """What N crops show, judged.

        Args:
            crops: uint8, N x size x size (x 3), as the model takes them.
            heights: N: of the faces in pixels, before they were cropped.
            cut_off: N: whether the picture's edge takes a part of the face that expressions are told by; None where that
                is not known.
            mirrored: N: whether the mirror image is to be recognised, and it alone: half the work, where the model averages
                both; None for all that the model asks for.
        """
        answers = self._answers(crops, mirrored)
        legible = self._legibility.legible(crops) if answers.legible is None else answers.legible
        if cut_off is not None:
            legible = np.where(cut_off, np.float32(0), legible)
        rows = zip(answers.each(), heights, legible.tolist(), strict=True)
        return [self.rule.judge(row, height, effective, told) for (row, effective), height, told in rows]

    def _answers(self, crops: UInt8Image, mirrored: Sequence[bool] | None) -> Answers:
        if mirrored is None or not self.model.info.flip or not isinstance(self.model, ExpressionModel):
            return self.model.answers(crops)
        views = crops.copy()
        views[mirrored] = crops[mirrored, :, ::-1]
        return self.model.answers(views, mirror=False)

    def assemble(self, found: Detections, answers: Iterable[Expression]) -> tuple[Face, ...]:
        """Faces from what was found and what each shows."""
        return tuple(self._face(found, index, answer) for index, answer in enumerate(answers))

    def _face(self, found: Detections, index: int, answer: Expression) -> Face:
        x1, y1, x2, y2 = found.boxes[index].tolist()
        points = None if found.landmarks is None else found.landmarks[index].tolist()
        return Face(
            box=(x1, y1, x2, y2),
            detection_score=float(found.scores[index]),
            landmarks=points and tuple((x, y) for x, y in points),
            size_px=answer.size_px,
            expression=answer.expression,
            probability=answer.probability,
            probabilities=answer.probabilities,
            certain=answer.certain,
            too_small=self.rule.is_too_small(answer.size_px),
            effective_px=answer.effective_px,
            legible=answer.legible,
        )


def heights_of(found: Detections) -> list[float]:
    """Heights of the boxes in pixels, exactly as `Face` has them."""
    return [y2 - y1 for _, y1, _, y2 in found.boxes.tolist()]
