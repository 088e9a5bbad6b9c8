"""Faces in the forms that other packages and notebooks know."""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fsrfer.labels import EXPRESSIONS, FER2013_CLASSES
from fsrfer.output.rows import FACE_COLUMNS, Row
from fsrfer.types import Face

if TYPE_CHECKING:
    import pandas
    import supervision

PY_FEAT_COLUMNS = (
    *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *FER2013_CLASSES,
    *("frame", "input"),
)
"""Columns of py-feat's data frames that hold faces and their emotions, in its order."""

_LARGEST_IN_NOTEBOOK = 1200
_ROWS_IN_NOTEBOOK = 20


def to_dataframe(rows: Sequence[Row]) -> "pandas.DataFrame":
    """Rows of faces, by `FACE_COLUMNS`, as a data frame."""
    import pandas

    frame = pandas.DataFrame(list(rows), columns=list(FACE_COLUMNS))
    # Numbers with every model: a column of None alone would be one of objects.
    return frame.astype({"effective_px": float})


def to_py_feat(faces: Sequence[Face], source: str) -> "pandas.DataFrame":
    """The faces of a photo as py-feat has them."""
    import pandas

    return pandas.DataFrame([_py_feat_row(face, source) for face in faces], columns=list(PY_FEAT_COLUMNS))


def to_supervision(faces: Sequence[Face]) -> "supervision.Detections":
    """Faces as ``supervision.Detections``: ``data`` has one array a column, ``class_id`` counts `EXPRESSIONS`."""
    import supervision

    columns = {name: np.array([face.probabilities[name] for face in faces], np.float32) for name in EXPRESSIONS}
    return supervision.Detections(
        xyxy=np.array([face.box for face in faces], np.float32).reshape(-1, 4),
        confidence=np.array([face.detection_score for face in faces], np.float32),
        class_id=np.array([EXPRESSIONS.index(face.expression) for face in faces], int),
        data={
            "class_name": np.array([face.expression for face in faces], dtype=str),
            "probability": np.array([face.probability for face in faces], np.float32),
            "certain": np.array([face.certain for face in faces], bool),
            "legible": np.array([face.legible for face in faces], np.float32),
            "too_small": np.array([face.too_small for face in faces], bool),
            "size_px": np.array([face.size_px for face in faces], np.float32),
            "effective_px": np.array([face.effective_px for face in faces], np.float32),
            **columns,
        },
    )


def to_png(picture: Image.Image) -> bytes:
    """A picture of a size for notebooks."""
    picture.thumbnail((_LARGEST_IN_NOTEBOOK, _LARGEST_IN_NOTEBOOK), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def to_html(source: str, error: str | None, faces: Sequence[Face], png: bytes | None) -> str:
    """A photo and a table of its faces for a notebook.

    Args:
        source: of the photo.
        error: why it could not be looked at, or None.
        faces: of the photo.
        png: the annotated photo, or None.
    """
    title = f"<p><b>{escape(source)}</b>: {escape(error or _counted(len(faces)))}</p>"
    picture = f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">' if png else ""
    if not faces:
        return f"<div>{title}{picture}</div>"
    header = "".join(f"<th>{name}</th>" for name in ("#", "height px", "expression", "probability", ""))
    rows = "".join(_html_row(number, face) for number, face in enumerate(faces[:_ROWS_IN_NOTEBOOK]))
    more = len(faces) - _ROWS_IN_NOTEBOOK
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return f"<div>{title}{picture}<table><tr>{header}</tr>{rows}</table>{rest}</div>"


def _counted(count: int) -> str:
    return "no faces found" if not count else f"{count} {'face' if count == 1 else 'faces'}"


def _html_row(number: int, face: Face) -> str:
    remark = "too small" if face.too_small else "" if face.certain else "uncertain"
    cells = (str(number), f"{face.size_px:.0f}", face.expression, f"{face.probability:.0%}", remark)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _py_feat_row(face: Face, source: str) -> dict[str, object]:
    x1, y1, x2, y2 = face.box
    box = {"FaceRectX": x1, "FaceRectY": y1, "FaceRectWidth": x2 - x1, "FaceRectHeight": y2 - y1}
    return {**box, "FaceScore": face.detection_score, **face.probabilities, "frame": 0, "input": source}
