"""Outside models in the benchmark: a folder of pictures goes out, a table of answers (or better pictures) comes back.

`export_faces` writes the degraded faces of every factor as ``x4/000123.png`` and a list of them, ``faces.csv``. Whatever can
read pictures answers them in a CSV file of its own: the column ``file`` and one column for each of the seven expressions
(any usual name; other columns are ignored), see `read_answers`. A super-resolution model writes a picture under the same
name in another folder, see `with_pictures`.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fsrfer.comparison.measure import Faces, LabelledTrack
from fsrfer.errors import DataError
from fsrfer.evaluation.by_factor import Predict
from fsrfer.files import atomic_path
from fsrfer.images import load_rgb, shrink_and_restore, to_grey
from fsrfer.labels import EXPRESSIONS, index_of, is_expression
from fsrfer.texts import open_text
from fsrfer.types import FloatArray, UInt8Image

LIST = "faces.csv"
COLUMNS = ("file", "factor", "width", "height", "sha256")
"""Columns of the list; the digest is of the decoded pixels, by which an answer finds its face again."""


def export_faces(
    faces: Faces,
    factors: Sequence[float],
    folder: Path,
    track: LabelledTrack = lambda indices, _: indices,
) -> None:
    """Write every face, shrunk by each factor and restored to its size, as PNG, and the list ``faces.csv``.

    The pictures are the ones our own methods are given. Labels are not among them.

    Raises:
        InputError: the folder cannot be written.
    """
    rows = []
    for factor in factors:
        for index in track(range(len(faces.labels)), f"export x{factor:g}"):
            face = shrink_and_restore(faces.load(index), factor)
            name = f"x{factor:g}/{index:06d}.png"
            with atomic_path(folder / name) as path:
                Image.fromarray(face).save(path)
            rows.append((name, f"{factor:g}", face.shape[1], face.shape[0], _digest(face)))
    with atomic_path(folder / LIST) as path, path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, lineterminator="\n").writerows([COLUMNS, *rows])


def read_answers(answers: Path, exported: Path) -> Predict:
    """An outside model as a `Predict`, from the table of its answers to an exported folder.

    Each row is scaled to sum to 1. A row with seven empty cells is a face the model gave no answer to; it counts as seven
    equal probabilities.

    Args:
        answers: CSV with the column ``file`` (as in ``faces.csv``) and seven columns of expressions.
        exported: the folder that `export_faces` wrote.

    Raises:
        DataError: missing columns, pictures without an answer, or values that are not probabilities; the `Predict` raises it
            for a face that was not exported.
    """
    listed = _listed(exported)
    if not answers.is_file():
        raise DataError(f"{answers}: not found; it should hold a model's answers to {exported}")
    with open_text(answers, DataError) as lines:
        reader = csv.DictReader(lines)
        columns = _expression_columns(answers, reader.fieldnames or ())
        given = {row["file"]: _answer(row, columns, f"{answers}:{number}") for number, row in enumerate(reader, 2)}
    if missing := [name for name in listed.values() if name not in given]:
        raise DataError(f"{answers}: {len(missing)} of {len(listed)} pictures have no row, such as {missing[0]}")

    def predict(faces: Sequence[UInt8Image]) -> FloatArray:
        return np.stack([given[_name_of(face, listed, exported)] for face in faces])

    return predict


def with_pictures(predict: Predict, pictures: Path, exported: Path) -> Predict:
    """A `Predict` that is shown an outside super-resolution model's pictures instead of the degraded faces.

    Args:
        predict: the classifier.
        pictures: a folder with a picture for each exported one, under the same name; it may be larger.
        exported: the folder that `export_faces` wrote.

    Raises:
        DataError: pictures are missing; the `Predict` raises it for a face that was not exported.
        InputError: a picture cannot be decoded.
    """
    listed = _listed(exported)
    if missing := [name for name in listed.values() if not (pictures / name).is_file()]:
        raise DataError(f"{pictures}: {len(missing)} of {len(listed)} pictures are missing, such as {missing[0]}")

    def predict_restored(faces: Sequence[UInt8Image]) -> FloatArray:
        return predict([_like(load_rgb(pictures / _name_of(face, listed, exported)), face) for face in faces])

    return predict_restored


def pictures_digest(pictures: Path, exported: Path) -> str:
    """SHA-256 of the files that `with_pictures` shows, so that better ones are measured again."""
    digest = hashlib.sha256()
    for name in _listed(exported).values():
        digest.update(hashlib.sha256((pictures / name).read_bytes()).digest())
    return digest.hexdigest()


def _listed(exported: Path) -> dict[str, str]:
    """Names of the exported pictures by the digest of their pixels."""
    table = exported / LIST
    if not table.is_file():
        raise DataError(f"{table}: not found; export the faces there first")
    with table.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DataError(f"{table}: its columns should be {', '.join(COLUMNS)}; export the faces again")
        return {row["sha256"]: row["file"] for row in reader}


def _expression_columns(table: Path, names: Sequence[str]) -> dict[str, int]:
    columns = {name: index_of(name) for name in names if is_expression(name)}
    missing = [name for index, name in enumerate(EXPRESSIONS) if index not in columns.values()]
    if "file" not in names or missing:
        raise DataError(f"{table}: the column {'file' if 'file' not in names else missing[0]!r} is missing")
    if len(columns) != len(EXPRESSIONS):
        raise DataError(f"{table}: an expression has two columns")
    return columns


def _answer(row: Mapping[str, str | None], columns: Mapping[str, int], where: str) -> FloatArray:
    cells = {index: (row[name] or "").strip() for name, index in columns.items()}
    if not any(cells.values()):
        return np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS), np.float32)
    try:
        values = np.array([float(cells[index]) for index in range(len(EXPRESSIONS))], np.float32)
    except ValueError:
        raise DataError(f"{where}: expected seven numbers") from None
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise DataError(f"{where}: probabilities are 0 or more, and not all 0")
    scaled: FloatArray = values / values.sum()
    return scaled


def _like(picture: UInt8Image, face: UInt8Image) -> UInt8Image:
    return to_grey(picture) if face.ndim == 2 else picture


def _name_of(face: UInt8Image, listed: Mapping[str, str], exported: Path) -> str:
    try:
        return listed[_digest(face)]
    except KeyError:
        raise DataError(
            f"{exported}: a face of the benchmark is not in it; export the same faces and factors"
        ) from None


def _digest(face: UInt8Image) -> str:
    return hashlib.sha256(repr(face.shape).encode() + face.tobytes()).hexdigest()
