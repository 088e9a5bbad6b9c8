"""The columns of the Parquet that scoring reads and writes; they are only ever added to."""

from functools import cache
from typing import Any

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.rows import ANSWER_COUNT_COLUMNS, SHARE_COLUMNS

VERSION = "1"
"""Of the schemas, kept in each file's metadata."""

LISTED = ("photo", "path", "member", "offset", "size", "kind", "unusable")
"""Columns of the list of photos; what a manifest carries stands behind them."""

PHOTO_COLUMNS = ("photo", "path", "member", "offset", "width", "height", "faces", "too_small", "error", "seconds")
"""Columns of ``photos/``; what a manifest carries stands behind them."""

FACE_COLUMNS = (
    *("photo", "face", "x1", "y1", "x2", "y2", "detection_score", "size_px", "effective_px"),
    *("expression", "probability", "certain", "legible", "too_small", *EXPRESSIONS),
)
"""Columns of ``faces/``."""

_WHOLE = {"photo": "int64", "offset": "int64", "size": "int64"}
_SMALL = ("face", "width", "height", "faces", "counted", "uncertain", "too_small", *ANSWER_COUNT_COLUMNS)
_TEXTS = ("path", "member", "kind", "unusable", "error", "expression", "group")


def _field(name: str) -> Any:
    import pyarrow as pa

    if name in _WHOLE:
        return pa.field(name, pa.int64())
    if name in _TEXTS:
        return pa.field(name, pa.string())
    return pa.field(name, pa.int32() if name in _SMALL else pa.float32())


def _schema(names: tuple[str, ...], table: str, **changed: Any) -> Any:
    import pyarrow as pa

    columns = [pa.field(name, changed[name]) if name in changed else _field(name) for name in names]
    return pa.schema(columns, {"fsrfer.table": table, "fsrfer.schema": VERSION})


@cache
def faces_schema() -> Any:
    """Of ``faces/``."""
    import pyarrow as pa

    return _schema(FACE_COLUMNS, "faces", certain=pa.bool_(), too_small=pa.bool_())


def photos_schema(carried: Any) -> Any:
    """Of ``photos/``, with the carried columns (a `pyarrow.Schema`) behind."""
    return _with(_schema(PHOTO_COLUMNS, "photos"), carried)


def listed_schema(carried: Any) -> Any:
    """Of the list of photos, with the carried columns behind."""
    return _with(_schema(LISTED, "source"), carried)


@cache
def groups_schema() -> Any:
    """Of ``groups.parquet``."""
    import pyarrow as pa

    counts = {name: pa.int64() for name in ("photos", "failed", *GROUP_COUNTS, *ANSWER_COUNT_COLUMNS)}
    flags = {"withheld": pa.bool_(), "corrected": pa.bool_()}
    shares = {name: pa.float64() for name in SHARE_COLUMNS}
    return _schema(GROUP_COLUMNS, "groups", **counts, **flags, **shares)


GROUP_COUNTS = ("faces", "counted", "too_small", "uncertain")

GROUP_COLUMNS = (
    *("group", "photos", "withheld", "failed", *GROUP_COUNTS, "corrected"),
    *SHARE_COLUMNS,
    *ANSWER_COUNT_COLUMNS,
)
"""Columns of ``groups.parquet``."""


def carried_schema(columns: Any) -> Any:
    """What of a manifest's columns is carried: plain values, under names that are none of ours.

    A column of a name of ours is carried with ``source_`` before it; lists and structures are left out.
    """
    import pyarrow as pa

    taken = {*LISTED, *PHOTO_COLUMNS, "folder"}
    kept = [one for one in columns if not pa.types.is_nested(one.type) and not is_binary(one.type)]
    return pa.schema([pa.field(f"source_{one.name}" if one.name in taken else one.name, one.type) for one in kept])


def is_binary(kind: Any) -> bool:
    """Whether an Arrow type holds bytes."""
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _with(schema: Any, carried: Any) -> Any:
    for field in carried:
        schema = schema.append(field)
    return schema
