"""What flows between the rooms: small frozen values, checked when they are made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.errors import InputError

UInt8Image = NDArray[np.uint8]
"""A picture, height x width (grey) or height x width x 3 (RGB), values 0..255."""

FloatArray = NDArray[np.float32]

Box = tuple[float, float, float, float]
"""A box ``(x1, y1, x2, y2)`` in pixels of the picture, origin at its top left corner."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces found in one picture, best first.

    Attributes:
        boxes: float32, N x 4, ``xyxy`` in pixels.
        scores: float32, N, 0..1 (1 for boxes given by the user).
        landmarks: float32, N x 5 x 2 in pixels: right eye, left eye, nose, right and left corner of the mouth
            (the subject's right), or None where a source has none.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,):
            raise ValueError(f"boxes must be N x 4 and scores N, not {self.boxes.shape} and {self.scores.shape}")
        if self.landmarks is not None and self.landmarks.shape != (count, 5, 2):
            raise ValueError(f"landmarks must be N x 5 x 2, not {self.landmarks.shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def none(cls) -> "Detections":
        """No face at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a photo and what its expression looks like.

    Attributes:
        box: ``xyxy`` in pixels of the upright photo.
        detection_score: 0..1.
        landmarks: five points, or None (see `Detections`).
        size_px: the face's height in pixels of the photo.
        expression: the most probable class.
        probability: its probability, 0..1.
        probabilities: one for each of the seven classes; they sum to 1.
        certain: whether the answer can be relied on: the probability reaches the model's stated threshold (see
            ``fsrfer info``), the face is large enough, and its expression can be told.
        too_small: the face is below the smallest size asked for; it is counted, but never certain.
        effective_px: height in pixels that the face's detail amounts to, never more than ``size_px``: less where the picture
            was enlarged or blurred. None where the model does not estimate it.
        legible: how likely it is that an expression can be told at all, 0..1: low for what is no face, and for one that is
            hidden, cut off or blurred. Below 0.5 no answer is certain.
    """

    box: Box
    detection_score: float
    landmarks: tuple[Point, ...] | None
    size_px: float
    expression: str
    probability: float
    probabilities: Mapping[str, float]
    certain: bool
    too_small: bool = False
    effective_px: float | None = None
    legible: float = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """A share, 0..1 (or a summary of shares, -1..1), and the ends of its 95% interval, None of too few people."""

    value: float
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Rounded, as plain values."""
        return {name: None if end is None else round(end, 5) for name, end in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class GroupEstimate:
    """What can be said of a group.

    Attributes:
        faces: how many were seen, those too small included.
        counted: how many the shares rest on.
        too_small: how many were not counted because they are below the smallest size asked for.
        uncertain: how many have no certain expression, those too small included.
        shares: of each expression among the counted faces; empty if none was counted. From five people on with 95% intervals;
            of fewer the mean of their probabilities, without.
        valence: the share of happiness less those of sadness, anger, fear and disgust, -1..1; None if none was counted.
        corrected: whether the shares are corrected for the model's known confusion at these sizes.
        people: how many different people the counted faces are, as far as they could be followed; in a photo as many as faces.
    """

    faces: int
    counted: int
    too_small: int
    uncertain: int
    shares: Mapping[str, Share]
    valence: Share | None
    corrected: bool
    people: int = 0

    @property
    def has_intervals(self) -> bool:
        """Whether there are enough people for intervals."""
        return self.valence is not None and self.valence.low is not None

    def to_dict(self) -> dict[str, Any]:
        """The group as plain values that JSON can hold."""
        return {
            "faces": self.faces,
            "counted": self.counted,
            "people": self.people,
            "too_small": self.too_small,
            "uncertain": self.uncertain,
            "corrected": self.corrected,
            "shares": {name: share.to_dict() for name, share in self.shares.items()},
            "valence": self.valence and self.valence.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Group:
    """All faces of a photo together.

    Attributes:
        faces: how many faces were found, those too small included.
        uncertain: how many of them have no certain expression.
        too_small: how many are below the smallest size asked for.
        shares: share of each answer among the faces that are large enough, 0..1 (all 0 without such a face); plain counts,
            nothing corrected.
        mean_probabilities: mean probability of each expression over the same faces.
        estimate: the shares corrected for what the model is known to confuse, with 95% intervals; None of a single frame
            of a video, and where no model answered.
    """

    faces: int
    uncertain: int
    too_small: int
    shares: Mapping[str, float]
    mean_probabilities: Mapping[str, float]
    estimate: GroupEstimate | None = None

    def to_dict(self) -> dict[str, Any]:
        """The plain counts as plain values that JSON can hold; the estimate stands beside them."""
        return {
            "faces": self.faces,
            "uncertain": self.uncertain,
            "too_small": self.too_small,
            "shares": dict(self.shares),
            "mean_probabilities": dict(self.mean_probabilities),
        }


@dataclass(frozen=True, slots=True)
class Expression:
    """The answer for one face crop.

    Attributes:
        size_px: the crop's height in pixels.
        expression, probability, probabilities, certain, effective_px, legible: as in `Face`.
    """

    size_px: float
    expression: str
    probability: float
    probabilities: Mapping[str, float]
    certain: bool
    effective_px: float | None = None
    legible: float = 1.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the raw answers of M networks become probabilities, by how many octaves u a face's detail is below full size.

    Attributes:
        temperature: c0, c1, ...; logits are divided by ``exp(c0 + c1 u + c2 u^2 + ...)``, kept within 1/4..4.
        weights: M pairs (a, b); the networks' logits count by ``softmax(a + b u)``.
        constants: for each class what is added to its logit, before it is divided.
    """

    temperature: tuple[float, ...]
    weights: tuple[tuple[float, float], ...]
    constants: tuple[float, ...]

    @classmethod
    def of_temperature(cls, *coefficients: float, members: int = 1, classes: int = 7) -> "Calibration":
        """A temperature alone: all networks count alike, and no class is preferred.

        Example:
            >>> Calibration.of_temperature(0.0, members=2, classes=2).weights
            ((0.0, 0.0), (0.0, 0.0))
        """
        return cls(coefficients, ((0.0, 0.0),) * members, (0.0,) * classes)


def check_box(box: tuple[float, ...], where: str) -> Box:
    """A box as four finite numbers with a positive area.

    Raises:
        InputError: it is not one; the message begins with ``where``.
    """
    if len(box) != 4 or not all(np.isfinite(box)) or box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(f"{where}: a box needs x1 < x2 and y1 < y2 in pixels, not {list(box)}")
    return (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
