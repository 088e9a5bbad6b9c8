"""What comes out: the faces of a photo and their summary, or the answer for a crop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from fsrfer.errors import InputError
from fsrfer.group.estimate import GroupEstimate, Tally, estimate
from fsrfer.labels import EXPRESSIONS, by_name
from fsrfer.model_file import ModelInfo
from fsrfer.types import Expression, Face, FloatArray, Group, UInt8Image

if TYPE_CHECKING:
    import pandas
    import supervision

Row = dict[str, Any]

_PHOTO_COLUMNS = ("source", "width", "height")
_BOX_COLUMNS = ("face", "x1", "y1", "x2", "y2", "detection_score", "size_px", "effective_px")
_ANSWER_COLUMNS = ("expression", "probability", "certain")

FACE_COLUMNS = (*_PHOTO_COLUMNS, *_BOX_COLUMNS, *_ANSWER_COLUMNS, "too_small", *EXPRESSIONS, "error")
"""Columns of a photo's rows."""

CROP_COLUMNS = ("file", "size_px", "effective_px", *_ANSWER_COLUMNS, *EXPRESSIONS, "error")
"""Columns of a crop's row."""


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """All faces of one photo.

    Attributes:
        source: the path as given, or a name for a picture without one.
        width, height: of the upright photo in pixels; None if it could not be decoded.
        faces: most prominent detection first.
        group: their summary.
        error: None, or one line on why the photo could not be looked at.
        picture: loads the photo again, to draw on it; None where there is none.
        info: of the model that looked at it.
    """

    source: str
    width: int | None
    height: int | None
    faces: tuple[Face, ...]
    group: Group
    error: str | None = None
    picture: Callable[[], UInt8Image] | None = field(default=None, repr=False, compare=False)
    info: ModelInfo | None = field(default=None, repr=False, compare=False)

    @classmethod
    def failed(cls, source: str, error: str, size: tuple[int, int] | None = None) -> "PhotoResult":
        """The result of a photo (``size`` is its width and height, if known) that could not be looked at."""
        width, height = size or (None, None)
        return cls(source, width, height, (), summarise(()), error)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values that JSON can hold."""
        return {
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "error": self.error,
            "faces": [face_to_dict(face) for face in self.faces],
            "group": asdict(self.group),
            "estimate": None if self.info is None else self.estimate().to_dict(),
        }

    def tally(self) -> Tally:
        """The faces, to be summed up with those of other photos."""
        tally = Tally()
        for face in self.faces:
            probabilities = np.array([face.probabilities[name] for name in EXPRESSIONS], np.float32)
            tally.add(probabilities, face.size_px, face.certain, face.too_small, face.effective_px)
        return tally

    def estimate(self) -> GroupEstimate:
        """Shares with 95% intervals that honour how unsure each face is, corrected for the model's known confusion.

        Raises:
            InputError: the result was not made by a model.
        """
        if self.info is None:
            raise InputError(f"{self.source}: no model looked at it, so nothing can be estimated")
        return estimate(self.tally(), self.info)

    def to_rows(self) -> list[Row]:
        """One flat row a face, by `FACE_COLUMNS`; a single row without a face where there is none."""
        head = {"source": self.source, "width": self.width, "height": self.height, "error": self.error}
        blank: Row = dict.fromkeys(FACE_COLUMNS)
        rows = [{**blank, **head, "face": number, **_face_row(face)} for number, face in enumerate(self.faces)]
        return rows or [{**blank, **head}]

    def to_dataframe(self, names: Literal["fsrfer", "py-feat"] = "fsrfer") -> "pandas.DataFrame":
        """One row a face; no row for a photo without faces. Needs pandas.

        Args:
            names: of the columns: `FACE_COLUMNS`, or those that py-feat gives its faces.
        """
        from fsrfer.output.exchange import to_dataframe

        return to_dataframe(self, names)

    def to_supervision(self) -> "supervision.Detections":
        """The faces as ``supervision.Detections``: ``data`` has one array a column, ``class_id`` counts `EXPRESSIONS`.

        Needs supervision (the extra ``supervision``).
        """
        from fsrfer.output.exchange import to_supervision

        return to_supervision(self)

    def _repr_html_(self) -> str:
        from fsrfer.output.exchange import to_html

        return to_html(self)

    def _repr_png_(self) -> bytes | None:
        from fsrfer.output.exchange import to_png

        return to_png(self)

    def annotated(self) -> Image.Image:
        """The photo with boxes, labels and certainty drawn, enlarged if its faces are tiny.

        Raises:
            InputError: the photo could not be decoded in the first place, or is gone since.
        """
        from fsrfer.output.annotation import annotate

        if self.picture is None:
            raise InputError(f"{self.source}: there is no picture to draw on")
        return annotate(self.picture(), self.faces)


@dataclass(frozen=True, slots=True)
class CropResult:
    """The answer for one face crop: an expression, or else an error of one line."""

    file: str
    expression: Expression | None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values that JSON can hold; most are None where it failed."""
        answer = self.expression
        return {
            "file": self.file,
            "size_px": answer and answer.size_px,
            "effective_px": answer and rounded_px(answer.effective_px),
            "expression": answer and answer.expression,
            "probability": answer and _rounded(answer.probability),
            "certain": answer and answer.certain,
            "error": self.error,
            "probabilities": answer and _rounded_all(answer.probabilities),
        }

    def to_rows(self) -> list[Row]:
        """The answer as one flat row, by `CROP_COLUMNS`."""
        row = self.to_dict()
        probabilities = row.pop("probabilities") or {}
        return [{**dict.fromkeys(CROP_COLUMNS), **row, **probabilities}]


def summarise(faces: Sequence[Face]) -> Group:
    """All faces of a photo together; see `Group`."""
    told = [face for face in faces if not face.too_small]
    shares = [float(np.mean([face.expression == name for face in told])) if told else 0.0 for name in EXPRESSIONS]
    means = [float(np.mean([face.probabilities[name] for face in told])) if told else 0.0 for name in EXPRESSIONS]
    return Group(
        faces=len(faces),
        uncertain=sum(not face.certain for face in faces),
        too_small=len(faces) - len(told),
        shares=_rounded_all(by_name(shares)),
        mean_probabilities=_rounded_all(by_name(means)),
    )


def likeliest(
    probabilities: FloatArray,
    size_px: float,
    certain_from: float,
    min_face: float,
    effective_px: float | None = None,
    certain_px: float = 0.0,
) -> Expression:
    """Seven probabilities as an answer; certain only if high enough, on a face that is large enough.

    Args:
        probabilities: float32, 7.
        size_px: height of the face in pixels.
        certain_from: the smallest probability called certain.
        min_face: the smallest ``size_px`` of a certain answer.
        effective_px: the model's blind estimate; the answer's never exceeds ``size_px``.
        certain_px: the smallest effective height of a certain answer (of ``size_px`` where there is no estimate).
    """
    best = int(probabilities.argmax())
    probability = float(probabilities[best])
    effective = None if effective_px is None else min(size_px, effective_px)
    large = size_px >= min_face and (size_px if effective is None else effective) >= certain_px
    certain = probability >= certain_from and large
    return Expression(size_px, EXPRESSIONS[best], probability, by_name(probabilities), certain, effective)


def face_to_dict(face: Face) -> dict[str, Any]:
    """A face as plain values that JSON can hold."""
    return {
        "box": [round(value, 2) for value in face.box],
        "detection_score": round(face.detection_score, 4),
        "landmarks": face.landmarks and [[round(x, 2), round(y, 2)] for x, y in face.landmarks],
        "size_px": rounded_px(face.size_px),
        "effective_px": rounded_px(face.effective_px),
        "expression": face.expression,
        "probability": _rounded(face.probability),
        "probabilities": _rounded_all(face.probabilities),
        "certain": face.certain,
        "too_small": face.too_small,
    }


def _face_row(face: Face) -> Row:
    row = face_to_dict(face)
    del row["landmarks"]
    corners = dict(zip(("x1", "y1", "x2", "y2"), row.pop("box"), strict=True))
    probabilities = row.pop("probabilities")
    return {**row, **corners, **probabilities}


def rounded_px(height: float | None) -> float | None:
    """A height as it is written: to a hundredth of a pixel."""
    return None if height is None else round(height, 2)


def _rounded(probability: float) -> float:
    return round(probability, 6)


def _rounded_all(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in probabilities.items()}
