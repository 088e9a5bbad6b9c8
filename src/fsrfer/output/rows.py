"""Faces and answers as rows and dictionaries: the names of columns, and how many digits are written."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fsrfer.labels import EXPRESSIONS
from fsrfer.types import Expression, Face, GroupEstimate

Row = dict[str, Any]

_PHOTO_COLUMNS = ("source", "width", "height")
_BOX_COLUMNS = ("face", "x1", "y1", "x2", "y2", "detection_score", "size_px", "effective_px")
_ANSWER_COLUMNS = ("expression", "probability", "certain", "legible")

FACE_COLUMNS = (*_PHOTO_COLUMNS, *_BOX_COLUMNS, *_ANSWER_COLUMNS, "too_small", *EXPRESSIONS, "error")
"""Columns of a photo's rows."""

SHARE_COLUMNS = tuple(f"{name}{end}" for name in (*EXPRESSIONS, "valence") for end in ("", "_low", "_high"))
"""Columns of a group's estimate."""

ANSWER_COUNT_COLUMNS = tuple(f"count_{name}" for name in EXPRESSIONS)
"""Columns of a group's plain counts."""

CROP_COLUMNS = ("file", "size_px", "effective_px", *_ANSWER_COLUMNS, *EXPRESSIONS, "error")
"""Columns of a crop's row."""


def face_to_dict(face: Face) -> dict[str, Any]:
    """A face as plain values that JSON can hold."""
    return {
        "box": [round(value, 2) for value in face.box],
        "detection_score": round(face.detection_score, 4),
        "landmarks": face.landmarks and [[round(x, 2), round(y, 2)] for x, y in face.landmarks],
        "size_px": rounded_px(face.size_px),
        "effective_px": rounded_px(face.effective_px),
        "expression": face.expression,
        "probability": rounded(face.probability),
        "probabilities": rounded_all(face.probabilities),
        "certain": face.certain,
        "legible": rounded(face.legible),
        "too_small": face.too_small,
    }


def face_row(face: Face) -> Row:
    """A face as one flat row, but for what is said of its photo."""
    row = face_to_dict(face)
    del row["landmarks"]
    corners = dict(zip(("x1", "y1", "x2", "y2"), row.pop("box"), strict=True))
    probabilities = row.pop("probabilities")
    return {**row, **corners, **probabilities}


def crop_to_dict(file: str, answer: Expression | None, error: str | None) -> dict[str, Any]:
    """The answer for a crop as plain values that JSON can hold; most are None where it failed."""
    return {
        "file": file,
        "size_px": answer and answer.size_px,
        "effective_px": answer and rounded_px(answer.effective_px),
        "expression": answer and answer.expression,
        "probability": answer and rounded(answer.probability),
        "certain": answer and answer.certain,
        "legible": answer and rounded(answer.legible),
        "error": error,
        "probabilities": answer and rounded_all(answer.probabilities),
    }


def answer_to_dict(answer: Expression) -> dict[str, Any]:
    """The answer for a face that was followed as plain values that JSON can hold."""
    values = crop_to_dict("", answer, None)
    return {name: value for name, value in values.items() if name not in ("file", "error")}


def share_cells(group: GroupEstimate) -> Row:
    """A group's estimate, by `SHARE_COLUMNS`; empty where no face was counted, ends where there is no interval."""
    row: Row = dict.fromkeys(SHARE_COLUMNS)
    summaries = {**group.shares, **({"valence": group.valence} if group.valence else {})}
    for name, share in summaries.items():
        value, low, high = share.to_dict().values()
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row


def rounded_px(height: float | None) -> float | None:
    """A height as it is written: to a hundredth of a pixel."""
    return None if height is None else round(height, 2)


def rounded(probability: float) -> float:
    """A probability as it is written: to six places."""
    return round(probability, 6)


def rounded_all(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Probabilities by name as they are written."""
    return {name: rounded(value) for name, value in probabilities.items()}


def csv_header(columns: Sequence[str]) -> str:
    """The first line of a CSV file."""
    return csv_lines(columns, [dict(zip(columns, columns, strict=True))])


def csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows as lines of CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_cell(row[name]) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
