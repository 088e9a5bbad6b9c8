"""The list of an archive's photos, written once: a row a photo, a row group a chunk, so that a chunk can be read alone."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fsrfer.scoring.errors import ScoringError
from fsrfer.scoring.items import Item
from fsrfer.scoring.schema import LISTED, listed_schema
from fsrfer.scoring.stores import Store

FOLDER = "source"
INDEX = "chunks.parquet"

LEAST_PHOTOS, MOST_PHOTOS = 16, 512
"""Of a chunk: few at first, then a 32nd of those before, so that small archives make enough chunks for all workers."""

GROWTH = 32

MOST_BYTES = 256 * 2**20
"""Of a chunk's photos, as far as their sizes are known."""

CHUNKS_A_FILE = 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """A few photos that one worker scores at once.

    Attributes:
        number: from 0.
        file: of the list that has it.
        row_group: in that file.
        photos: how many.
        bytes: of all whose sizes are known.
    """

    number: int
    file: int
    row_group: int
    photos: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The chunks of an archive, and a hash of all that is listed."""

    chunks: tuple[Chunk, ...]
    sha256: str
    carried: Any

    @property
    def photos(self) -> int:
        """How many there are in all."""
        return sum(chunk.photos for chunk in self.chunks)


def write_listing(store: Store, items: Iterable[Item], carried: Any) -> Listing:
    """List an archive, in bounded memory; the index comes last, so that a list without one is none."""
    import pyarrow as pa

    for name in store.sizes(FOLDER):  # of a list that was never finished
        store.remove(f"{FOLDER}/{name}")
    digest = hashlib.sha256()
    chunks: list[Chunk] = []
    for number, group in enumerate(_files(items)):
        data = _encoded(group, listed_schema(carried))
        digest.update(data)
        store.write(_file(number), data)
        for row_group, members in enumerate(group):
            size = sum(item.size or 0 for item in members)
            chunks.append(Chunk(len(chunks), number, row_group, len(members), size))
    sha256 = digest.hexdigest()
    columns = {name: [getattr(chunk, name) for chunk in chunks] for name in Chunk.__slots__}
    schema = pa.schema([(name, pa.int64()) for name in columns], {"fsrfer.listing": sha256})
    store.write(INDEX, _parquet([pa.table(columns, schema)], schema))
    return Listing(tuple(chunks), sha256, carried)


def read_listing(store: Store) -> Listing | None:
    """The list that was written, or None.

    Raises:
        ScoringError: it is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if (data := store.read(INDEX)) is None:
        return None
    try:
        table = parquet.read_table(io.BytesIO(data))
        sha256 = table.schema.metadata[b"fsrfer.listing"].decode()
        chunks = tuple(Chunk(**row) for row in table.to_pylist())
        carried = _carried_of(_schema_of_list(store)) if chunks else pa.schema([])
    except (pa.ArrowInvalid, KeyError, TypeError) as error:
        raise ScoringError(f"{store.url}/{INDEX}: damaged ({error}); begin in another folder") from error
    return Listing(chunks, sha256, carried)


def read_chunk(store: Store, file: int, row_group: int) -> tuple[list[Item], Any]:
    """The photos of a chunk, and the schema of what they carry."""
    from pyarrow import parquet

    with store.open(_file(file)) as stream, parquet.ParquetFile(stream) as listed:
        table = listed.read_row_group(row_group)
    carried = _carried_of(table.schema)
    return [_item(row, carried.names) for row in table.to_pylist()], carried


def chunked(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Photos numbered, in chunks that are cut by number and by bytes."""
    chunk: list[Item] = []
    size = 0
    for number, item in enumerate(items):
        most = min(max(LEAST_PHOTOS, (number - len(chunk)) // GROWTH), MOST_PHOTOS)
        if chunk and (len(chunk) >= most or size + (item.size or 0) > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(_writable(replace(item, photo=number)))
        size += item.size or 0
    if chunk:
        yield chunk


def _writable(item: Item) -> Item:
    """The same, with names that are Unicode; a file whose name is not cannot be named in a table, so nobody could open it."""
    path = item.path.encode("utf-8", "backslashreplace").decode()
    member = None if item.member is None else item.member.encode("utf-8", "backslashreplace").decode()
    unusable = item.unusable
    if path != item.path:
        unusable = f"{path}: the name is not Unicode; rename the file"
    return replace(item, path=path, member=member, unusable=unusable)


def _files(items: Iterable[Item]) -> Iterator[list[list[Item]]]:
    group: list[list[Item]] = []
    for chunk in chunked(items):
        group.append(chunk)
        if len(group) == CHUNKS_A_FILE:
            yield group
            group = []
    if group:
        yield group


def _encoded(chunks: list[list[Item]], schema: Any) -> bytes:
    import pyarrow as pa

    return _parquet([pa.Table.from_pylist([_row(item) for item in chunk], schema) for chunk in chunks], schema)


def _parquet(tables: list[Any], schema: Any) -> bytes:
    from pyarrow import parquet

    stream = io.BytesIO()
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
    return stream.getvalue()


def _row(item: Item) -> Mapping[str, Any]:
    return {**{name: getattr(item, name) for name in LISTED}, **item.carried}


def _item(row: dict[str, Any], carried: list[str]) -> Item:
    return Item(**{name: row[name] for name in LISTED}, carried={name: row[name] for name in carried})


def _file(number: int) -> str:
    return f"{FOLDER}/{number:06d}.parquet"


def _schema_of_list(store: Store) -> Any:
    from pyarrow import parquet

    with store.open(_file(0)) as stream:
        return parquet.read_schema(stream)


def _carried_of(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([one for one in schema if one.name not in LISTED])
