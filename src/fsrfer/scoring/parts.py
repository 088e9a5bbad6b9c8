"""What a chunk leaves: a part of faces, a part of photos, and last a receipt, without which the parts count for nothing."""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fsrfer.group.estimate import Tally
from fsrfer.output.rows import face_row
from fsrfer.scoring.looking import Looked
from fsrfer.scoring.schema import faces_schema, photos_schema
from fsrfer.scoring.stores import Store

ROWS_A_GROUP = 100_000

TABLES = ("faces", "photos")
"""In the order in which their parts are written."""

RECEIPTS = "receipts"


def part_name(key: str, chunk: int) -> str:
    """The name of a chunk's part, the same at each attempt, so that a second one replaces the first."""
    return f"{key}-{chunk:07d}.parquet"


def receipt_name(key: str, chunk: int) -> str:
    """The name of a chunk's receipt."""
    return f"{key}-{chunk:07d}.json"


def write_parts(store: Store, name: str, looked: Sequence[Looked], carried: Any) -> dict[str, dict[str, Any]]:
    """Write both parts of a chunk; returns the size and hash of each, for the receipt."""
    rows = {"faces": face_rows(looked), "photos": [photo_row(one) for one in looked]}
    schemas = {"faces": faces_schema(), "photos": photos_schema(carried)}
    written = {}
    for table in TABLES:
        data = encoded(rows[table], schemas[table])
        store.write(f"{table}/{name}", data)
        sha256 = hashlib.sha256(data).hexdigest()
        written[table] = {"rows": len(rows[table]), "bytes": len(data), "sha256": sha256}
    return written


def encoded(rows: list[Mapping[str, Any]], schema: Any) -> bytes:
    """Rows as the bytes of a Parquet file of known columns."""
    import pyarrow as pa
    from pyarrow import parquet

    stream = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema)
    parquet.write_table(table, stream, row_group_size=ROWS_A_GROUP, compression="zstd")
    return stream.getvalue()


def face_rows(looked: Iterable[Looked]) -> list[Mapping[str, Any]]:
    """A row a face, with the digits that other outputs have."""
    return [
        {"photo": one.item.photo, "face": number, **face_row(face)}
        for one in looked
        for number, face in enumerate(one.faces)
    ]


def photo_row(looked: Looked) -> Mapping[str, Any]:
    """The row of a photo."""
    item = looked.item
    return {
        "photo": item.photo,
        "path": item.path,
        "member": item.member if item.kind == "tar" else None,
        "offset": item.offset,
        "width": looked.width,
        "height": looked.height,
        "faces": len(looked.faces),
        "too_small": sum(face.too_small for face in looked.faces),
        "error": looked.error,
        "seconds": round(looked.seconds, 4),
        **item.carried,
    }


def group_sums(looked: Iterable[Looked], by: str | None) -> list[dict[str, Any]]:
    """What is kept of a chunk where nothing of single photos may be: for each group counts, and a tally of its faces.

    A tally's rows are sorted, so that nothing tells which came from one photo.
    """
    groups: dict[str | None, tuple[dict[str, int], Tally]] = {}
    for one in looked:
        photos, tally = groups.setdefault(group_of(one, by), (dict.fromkeys(PHOTO_COUNTS, 0), Tally()))
        photos["photos"] += 1
        photos["failed"] += one.error is not None
        tally.merge(Tally.of(one.faces))
    told = []
    for value, (photos, tally) in groups.items():
        sums = tally.to_dict()
        told.append({"group": value, **photos, "tally": {**sums, "rows": sorted(sums["rows"])}})
    return told


PHOTO_COUNTS = ("photos", "failed")


def group_of(looked: Looked, by: str | None) -> str | None:
    """The name of the group that a photo belongs to; None where the manifest does not say."""
    if by is None:
        return "all"
    if by in looked.item.carried:
        value = looked.item.carried[by]
        return None if value is None else str(value)
    return looked.item.folder
