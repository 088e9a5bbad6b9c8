"""Manifests (Parquet, CSV, text) and Parquet with the bytes of pictures, row by row."""

import csv
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from typing import Any

from fsrfer.errors import InputError
from fsrfer.scoring.items import Item
from fsrfer.scoring.schema import carried_schema, is_binary
from fsrfer.scoring.stores import file_system, is_url

LISTS = (".csv", ".tsv", ".txt", ".list")
ROWS_AT_ONCE = 4096
PICTURES_AT_ONCE = 16
"""Rows of pictures in memory at once."""

_IMAGE_COLUMNS = ("image", "bytes", "jpg", "png", "content")


def open_binary(path: str) -> Any:
    """A file on any store.

    Raises:
        InputError: it cannot be opened.
    """
    system, inner = file_system(path)
    try:
        return system.open(inner, "rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def parquet_file(path: str) -> Any:
    """A Parquet file on any store.

    Raises:
        InputError: it cannot be opened, or is none.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(open_binary(path))
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file that can be read ({error})") from error


def image_column(schema: Any) -> str | None:
    """The column that holds the bytes of pictures: of bytes, or a structure with ``bytes`` as Hugging Face's; or None."""
    found = [one.name for one in schema if _holds_bytes(one.type)]
    named = [name for name in _IMAGE_COLUMNS if name in found]
    return named[0] if named else found[0] if len(found) == 1 else None


def parquet_pictures(path: str, file: Any, column: str, carried: Any) -> Iterator[Item]:
    """The pictures of a Parquet file, without their bytes."""
    kept = _by_origin(file.schema_arrow, column, carried)
    sizes = file.metadata.num_rows and sum(
        file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups)
    ) // max(file.metadata.num_rows, 1)
    if not kept:
        for row in range(file.metadata.num_rows):
            yield Item(path, column, row, sizes, "parquet", carried=dict.fromkeys(carried.names))
        return
    row = 0
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(kept)):
        for values in batch.to_pylist():
            own = dict.fromkeys(carried.names) | {kept[name]: value for name, value in values.items()}
            yield Item(path, column, row, sizes, "parquet", carried=own)
            row += 1


def pictures_of_rows(path: str, column: str, wanted: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
    """The bytes of some rows, whose numbers ascend."""
    file, rows = parquet_file(path), list(wanted)
    with file:
        start = 0
        for group in range(file.metadata.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            here = [row - start for row in rows if start <= row < start + count]
            yield from ((start + row, data) for row, data in _of_group(file, group, column, here))
            start += count


def _of_group(file: Any, group: int, column: str, wanted: list[int]) -> Iterator[tuple[int, bytes | None]]:
    if not wanted:
        return
    left, first = set(wanted), 0
    for batch in file.iter_batches(PICTURES_AT_ONCE, row_groups=[group], columns=[column]):
        for row in range(first, first + len(batch)):
            if row in left:
                value = batch.column(0)[row - first].as_py()
                yield row, value.get("bytes") if isinstance(value, dict) else value
        first += len(batch)
        if first > wanted[-1]:
            return


def manifest_carried(path: str, path_column: str) -> Any:
    """The columns that a manifest carries, as a `pyarrow.Schema`.

    Raises:
        InputError: it has no column of paths.
    """
    import pyarrow as pa

    if not path.endswith(LISTS):
        with parquet_file(path) as file:
            schema = file.schema_arrow
        _require(path, path_column, schema.names)
        return carried_schema([one for one in schema if one.name != path_column])
    if not _is_table(path):
        return pa.schema([])
    with _text(path) as stream:
        rows = csv.DictReader(stream, delimiter=_delimiter(path))
        _require(path, path_column, list(rows.fieldnames or []))
        names = [name for name in rows.fieldnames or [] if name != path_column]
        kinds = dict.fromkeys(names, 0)
        for row in rows:
            for name in names:
                kinds[name] = _narrowest(row[name], kinds[name])
    return carried_schema([pa.field(name, (pa.int64(), pa.float64(), pa.string())[kinds[name]]) for name in names])


def manifest_items(path: str, path_column: str, carried: Any) -> Iterator[Item]:
    """The photos that a manifest lists; paths that are no addresses start at its own folder."""
    folder = path.rpartition("/")[0]

    def absolute(text: str) -> str:
        return text if is_url(text) or text.startswith("/") else f"{folder}/{text}" if folder else text

    for number, (place, values) in enumerate(_manifest_rows(path, path_column, carried), 1):
        if place:
            yield Item(absolute(place), carried=values)
        else:
            yield Item(path, unusable=f"{path}: row {number} names no photo", carried=values)


def _manifest_rows(path: str, path_column: str, carried: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.endswith(LISTS):
        with parquet_file(path) as file:
            kept = _by_origin(file.schema_arrow, path_column, carried)
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[path_column, *kept]):
                for row in batch.to_pylist():
                    yield str(row[path_column] or ""), {name: row[origin] for origin, name in kept.items()}
        return
    with _text(path) as stream:
        if not _is_table(path):
            yield from ((line.strip(), {}) for line in stream if line.strip())
            return
        rows = csv.DictReader(stream, delimiter=_delimiter(path))
        names = [name for name in rows.fieldnames or [] if name != path_column]
        readers = {name: (field.name, _reader(field.type)) for name, field in zip(names, carried, strict=True)}
        for row in rows:
            yield row[path_column] or "", {name: read(row[origin]) for origin, (name, read) in readers.items()}


def _by_origin(schema: Any, without: str, carried: Any) -> dict[str, str]:
    """The carried columns by their names in the file, those only that it has in their kind."""
    others = [one for one in schema if one.name != without]
    plain = carried_schema(others)
    origins = [one.name for one in others if any(name in (one.name, f"source_{one.name}") for name in plain.names)]
    pairs = dict(zip(origins, plain, strict=True))
    return {
        origin: one.name
        for origin, one in pairs.items()
        if one.name in carried.names and carried.field(one.name).type == one.type
    }


def _require(path: str, column: str, names: list[str]) -> None:
    if column not in names:
        raise InputError(
            f"{path}: no column {column!r} among {', '.join(names) or 'none'}; name the one of the paths: --path-column"
        )


def _is_table(path: str) -> bool:
    return path.endswith((".csv", ".tsv"))


def _delimiter(path: str) -> str:
    return "\t" if path.endswith(".tsv") else ","


def _text(path: str) -> TextIOWrapper:
    return TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="")


def _narrowest(text: str | None, at_least: int) -> int:
    """Whether a cell is a whole number (0), a number (1) or a text (2), as the cells before it were."""
    if not text:
        return at_least
    for kind, reads in enumerate((_is_whole, _is_number)):
        if kind >= at_least and reads(text):
            return kind
    return 2


def _is_whole(text: str) -> bool:
    """Whether a text is a number that reads the same again: ``007`` is a name."""
    return text.removeprefix("-").isdecimal() and text.isascii() and str(int(text)) == text and len(text) < 19


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    whole = text.removeprefix("-")
    return not (whole.isdecimal() and len(whole) > 1 and whole[0] == "0")


def _reader(kind: Any) -> Callable[[str | None], Any]:
    import pyarrow as pa

    read: Callable[[str], Any] = int if pa.types.is_integer(kind) else float if pa.types.is_floating(kind) else str
    return lambda text: read(text) if text else None


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and is_binary(field.type) for field in kind)
    return is_binary(kind)
