"""What an archive is: a folder, a pattern, tars, Parquet with pictures, or a manifest, on this machine or on a store."""

import warnings
from collections import Counter
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from fsrfer.errors import FsrferWarning, InputError
from fsrfer.folders import by_kind, is_hidden, walk
from fsrfer.images import picture_suffixes
from fsrfer.scoring import tables, tars
from fsrfer.scoring.items import Item
from fsrfer.scoring.stores import file_system, is_local, is_url, one_line, patiently

PARQUET = ".parquet"
CONTAINERS = (tars.SUFFIX, PARQUET)


Found = tuple[str, int | None, str | None]
"""A file, its size in bytes if that is known, and why it cannot be used, or None."""


class Archive:
    """The photos behind a source.

    Attributes:
        source: absolute, as it is written down.
        carried: the columns that its photos carry (`pyarrow.Schema`).
    """

    def __init__(self, source: str, leave_out: str, path_column: str = "path"):
        """Look at the source, and of its tables at the columns.

        Args:
            source: a folder, pattern, file, or the address of one.
            leave_out: a folder that results are written into.
            path_column: of a manifest.

        Raises:
            InputError: there is nothing of use.
            StoreError: the store does not answer.
        """
        self.source = absolute(source)
        self._column, self._leave_out = path_column, absolute(leave_out).rstrip("/") + "/"
        self._system, self._path = file_system(self.source)
        self._manifest, self._image_column = False, ""
        self._files = self._find()
        self.carried = self._columns()

    def items(self) -> Iterator[Item]:
        """Its photos, in an order that stays the same while the archive does."""
        if self._manifest:
            yield from tables.manifest_items(self.source, self._column, self.carried)
            return
        none = dict.fromkeys(self.carried.names)
        for path, size, error in self._files:
            suffix = _suffix(path)
            if error is not None:
                yield Item(path, unusable=error, carried=none)
            elif suffix == tars.SUFFIX:
                yield from self._of_tar(path, none)
            elif suffix == PARQUET:
                yield from self._of_parquet(path, none)
            else:
                yield Item(path, size=size, carried=none)

    def _of_tar(self, path: str, none: dict[str, Any]) -> Iterator[Item]:
        found = False
        with tables.open_binary(path) as stream:
            for item in tars.pictures(stream, path, is_local(self._system)):
                found = True
                yield Item(item.path, item.member, item.offset, item.size, "tar", item.unusable, none)
        if not found:
            yield Item(path, kind="tar", unusable=f"{path}: no pictures in this tar", carried=none)

    def _of_parquet(self, path: str, none: dict[str, Any]) -> Iterator[Item]:
        try:
            with tables.parquet_file(path) as file:
                column = tables.image_column(file.schema_arrow)
                if column is None:
                    raise InputError(f"{path}: no column holds the bytes of pictures")
                yield from tables.parquet_pictures(path, file, column, self.carried)
        except InputError as error:
            yield Item(path, kind="parquet", unusable=str(error), carried=none)

    def _columns(self) -> Any:
        """The carried columns: of a manifest, or of the first Parquet file with pictures."""
        import pyarrow as pa

        from fsrfer.scoring.schema import carried_schema

        files = self._files
        if len(files) == 1 and files[0][0] == self.source and _suffix(self.source) in (*tables.LISTS, PARQUET):
            return self._columns_of_table()
        for path, _, error in files:
            if _suffix(path) == PARQUET and error is None:
                with tables.parquet_file(path) as file:
                    column = tables.image_column(file.schema_arrow)
                    return carried_schema([one for one in file.schema_arrow if one.name != column])
        return pa.schema([])

    def _columns_of_table(self) -> Any:
        from fsrfer.scoring.schema import carried_schema

        if _suffix(self.source) == PARQUET:
            with tables.parquet_file(self.source) as file:
                schema = file.schema_arrow
            if (column := tables.image_column(schema)) is not None:
                return carried_schema([one for one in schema if one.name != column])
        self._manifest = True
        return tables.manifest_carried(self.source, self._column)

    def _find(self) -> list[Found]:
        """The files behind the source, each with its size and why it cannot be used, in order."""
        found = self._find_local() if is_local(self._system) else self._find_remote()
        found = [one for one in found if not one[0].startswith(self._leave_out)]
        if not found:
            raise InputError(f"{self.source}: no pictures, tars or Parquet files there; check the name")
        return found

    def _find_local(self) -> list[Found]:
        path = self._path
        if Path(path).is_dir():
            return _in_folder(path)
        if has_magic(path) and not Path(path).exists():
            return _matching(path)
        if not Path(path).exists():
            raise InputError(f"{self.source}: no such file or folder")
        return [(self.source, _size(path), None)]

    def _find_remote(self) -> list[Found]:
        try:
            if has_magic(self._path):
                found = patiently(lambda: self._system.glob(self._path, detail=True), self.source)
                entries = list(found.values())
            elif patiently(lambda: self._system.isfile(self._path), self.source):
                return [(self.source, int(self._system.size(self._path) or 0), None)]
            else:
                entries = list(self._below(self._path))
        except OSError as error:
            raise InputError(f"{self.source}: cannot be listed ({one_line(error)})") from error
        files = [one for one in entries if one["type"] == "file" and _is_of_use(str(one["name"]))]
        names = sorted((str(self._system.unstrip_protocol(one["name"])), int(one["size"] or 0)) for one in files)
        return [(name, size, None) for name, size in names]

    def _below(self, folder: str) -> Iterator[dict[str, Any]]:
        """All files, a folder at a time: the whole prefix in one answer would be one lister's work."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            for entry in patiently(lambda here=here: self._system.ls(here, detail=True), self.source):  # type: ignore[misc]
                name = str(entry["name"]).rstrip("/")
                if is_hidden(name.rsplit("/", 1)[-1]) or name == here.rstrip("/"):
                    continue
                if entry["type"] == "directory":
                    waiting.append(name)
                else:
                    yield entry


def absolute(source: str) -> str:
    """A source as it means the same from anywhere."""
    return source if is_url(source) else str(Path(source).absolute())


def _in_folder(folder: str) -> list[Found]:
    found = walk(Path(folder), picture_suffixes() | set(CONTAINERS))
    _warn(folder, Counter(found.passed_over))
    files: list[Found] = [(str(path), _size(path), None) for path in found.files]
    return files + [
        (str(path), None, f"{path}: the folder cannot be read ({reason})") for path, reason in found.unreadable
    ]


def _matching(pattern: str) -> list[Found]:
    found: dict[str, Found] = {}
    for match in sorted(glob(pattern, recursive=True)):  # noqa: PTH207 (a pattern may be absolute)
        if any(is_hidden(part) for part in Path(match).parts if part not in Path(pattern).parts):
            continue
        if Path(match).is_dir():
            found |= {one[0]: one for one in _in_folder(match)}
        elif _is_of_use(match):
            found[match] = (match, _size(match), None)
    return list(found.values())


def _warn(folder: str, others: Counter[str]) -> None:
    if others:
        warnings.warn(f"{folder}: passed over {by_kind(others)}", FsrferWarning, stacklevel=2)


def _is_of_use(name: str) -> bool:
    return not is_hidden(name.rsplit("/", 1)[-1]) and _suffix(name) in picture_suffixes() | set(CONTAINERS)


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def _size(path: str | Path) -> int | None:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return None
