"""Tables that grow as the work goes on and can be cut back to any point they once had, so that no row is lost or doubled."""

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from fsrfer.errors import InputError
from fsrfer.files import atomic_path
from fsrfer.output.rows import Row, csv_header, csv_lines

FORMATS = ("csv", "parquet", "jsonl")


class Table(Protocol):
    """Rows of fixed columns, appended in blocks."""

    path: Path

    def append(self, rows: Sequence[Row]) -> None:
        """Write a block of rows."""

    def mark(self) -> int:
        """Where the table ends now, safely on disk."""

    def finish(self, keep_parts: bool) -> None:
        """Leave the table in its final form; with ``keep_parts`` it can still be opened again at a mark."""

    def rows(self) -> Iterator[Row]:
        """All rows written so far."""


def open_table(folder: Path, name: str, kind: str, columns: Sequence[str], mark: int | None = None) -> Table:
    """A new table, or one cut back to an earlier mark.

    Args:
        folder: made if need be.
        name: of the file, without suffix.
        kind: one of `FORMATS`.
        columns: of every row.
        mark: from `Table.mark`, to resume from there; None for a new table that replaces any old one.

    Raises:
        InputError: the folder cannot be written, or the table is shorter than the mark.
        ModuleNotFoundError: pyarrow is not installed (``parquet`` only).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "parquet":
            return ParquetTable(folder / f"{name}.parquet", columns, mark)
        return TextTable(folder / f"{name}.{kind}", columns, mark)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder") from error


class TextTable:
    """CSV under a header, or JSON Lines, by the suffix; a mark is a length in bytes."""

    def __init__(self, path: Path, columns: Sequence[str], mark: int | None):
        self.path = path
        self._columns = tuple(columns)
        self._is_csv = path.suffix == ".csv"
        if mark is None:
            path.write_text(csv_header(columns) if self._is_csv else "", encoding="utf-8", newline="")
            return
        if not path.is_file() or path.stat().st_size < mark:
            raise InputError(f"{path}: shorter than when the work stopped; start again without --resume")
        with path.open("r+b") as stream:
            stream.truncate(mark)

    def append(self, rows: Sequence[Row]) -> None:
        """Write a block of rows."""
        with self.path.open("ab") as stream:
            stream.write(self._encoded(rows).encode())

    def mark(self) -> int:
        """Length in bytes."""
        return self.path.stat().st_size

    def finish(self, keep_parts: bool) -> None:
        """Nothing remains to be done."""

    def rows(self) -> Iterator[Row]:
        """All rows, with numbers as numbers."""
        with self.path.open(encoding="utf-8", newline="") as stream:
            if self._is_csv:
                yield from ({name: _value(text) for name, text in row.items()} for row in csv.DictReader(stream))
            else:
                yield from map(json.loads, stream)

    def _encoded(self, rows: Sequence[Row]) -> str:
        if self._is_csv:
            return csv_lines(self._columns, rows)
        plain = ({name: row[name] for name in self._columns} for row in rows)
        return "".join(f"{json.dumps(row, ensure_ascii=False, allow_nan=False)}\n" for row in plain)


class ParquetTable:
    """Parquet: a part file a block while the table grows, one file at the end; a mark is a number of parts."""

    def __init__(self, path: Path, columns: Sequence[str], mark: int | None):
        import pyarrow  # noqa: F401  (missing, it should be missed before the work begins)

        self.path = path
        self._columns = tuple(columns)
        self._folder = path.with_name(path.name + ".parts")
        if mark is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        parts = self._parts()
        if mark is not None and len(parts) < mark:
            raise InputError(f"{path}: its parts are gone since the work stopped; start again without --resume")
        for part in parts[mark or 0 :]:
            part.unlink()

    def append(self, rows: Sequence[Row]) -> None:
        """Write a block of rows as a part."""
        import pyarrow
        from pyarrow import parquet

        if not rows:
            return
        table = pyarrow.Table.from_pylist([{name: row[name] for name in self._columns} for row in rows])
        with atomic_path(self._folder / f"{len(self._parts()):06d}.parquet") as partial:
            parquet.write_table(table, partial)

    def mark(self) -> int:
        """Number of parts."""
        return len(self._parts())

    def finish(self, keep_parts: bool) -> None:
        """Join the parts into one file, a part in memory at a time."""
        import pyarrow
        from pyarrow import parquet

        schemas = [parquet.read_schema(part) for part in self._parts()]
        blank = pyarrow.schema([(name, pyarrow.null()) for name in self._columns])
        schema = pyarrow.unify_schemas(schemas, promote_options="permissive") if schemas else blank
        with atomic_path(self.path) as partial, parquet.ParquetWriter(partial, schema) as writer:
            for part in self._parts():
                writer.write_table(parquet.read_table(part).cast(schema))
        if not keep_parts:
            shutil.rmtree(self._folder, ignore_errors=True)

    def rows(self) -> Iterator[Row]:
        """All rows, a part in memory at a time."""
        from pyarrow import parquet

        for part in self._parts() or ([self.path] if self.path.is_file() else []):
            yield from parquet.read_table(part).to_pylist()

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.parquet"))


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if text else None
    except ValueError:
        return text
