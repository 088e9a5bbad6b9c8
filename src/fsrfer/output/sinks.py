"""Where results go: a table, JSON Lines or CSV, to the terminal or to a file that is never half-written."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from PIL import Image

from fsrfer.errors import InputError
from fsrfer.files import atomic_path, is_special
from fsrfer.output.rows import CROP_COLUMNS, FACE_COLUMNS, Row, csv_header, csv_lines
from fsrfer.output.terminal import Photo, crop_table, photo_table, rendered

FORMATS = ("table", "json", "csv")

_SUFFIXES = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv"}
_LOSSY = (".jpg", ".jpeg")


class Line(Protocol):
    """What can be written as a line of JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""


class Result(Line, Protocol):
    """What can be written in every format: the result of a photo or of a crop."""

    def to_rows(self) -> list[Row]:
        """Flat rows."""


class WrittenPhoto(Photo, Result, Protocol):
    """What any sink can write of a photo."""


R_contra = TypeVar("R_contra", contravariant=True)


class Sink(Protocol[R_contra]):
    """Takes results one by one."""

    def write(self, result: R_contra) -> None:
        """Take one result."""

    def close(self) -> None:
        """Write what was held back."""


def format_for(chosen: str | None, output: Path | None) -> str:
    """The format asked for, else the one that fits the output's suffix, else a table.

    Raises:
        InputError: a suffix of no known format, which a table of characters would not open as.
    """
    if chosen:
        return chosen
    suffix = output.suffix.lower() if output else ""
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if output is None or suffix in ("", ".txt") or is_special(output):
        return "table"
    known = ", ".join([*_SUFFIXES, ".txt"])
    raise InputError(f"{output}: no format is known by this name; use {known}, or say --format {'|'.join(FORMATS)}")


@contextmanager
def open_photo_sink(chosen: str, output: Path | None) -> Iterator["Sink[WrittenPhoto]"]:
    """A sink for photos; see `_open`."""
    with _open(output) as stream:
        yield _plain_sink(chosen, stream, FACE_COLUMNS) or PhotoTableSink(stream)


@contextmanager
def open_crop_sink(chosen: str, output: Path | None) -> Iterator[Sink[Result]]:
    """A sink for crops; see `_open`."""
    with _open(output) as stream:
        sink = _plain_sink(chosen, stream, CROP_COLUMNS) or CropTableSink(stream)
        yield sink
        sink.close()


@contextmanager
def open_line_sink() -> Iterator[Sink[Line]]:
    """A sink for lines of JSON on standard output; see `_open`."""
    with _open(None) as stream:
        yield JsonLinesSink(stream)


def _plain_sink(chosen: str, stream: BinaryIO, columns: Iterable[str]) -> "JsonLinesSink | CsvSink | None":
    if chosen == "json":
        return JsonLinesSink(stream)
    return CsvSink(stream, columns) if chosen == "csv" else None


@contextmanager
def _open(output: Path | None) -> Iterator[BinaryIO]:
    """Where results go.

    Args:
        output: a file that appears only when the run has ended well; None for the terminal.

    Raises:
        InputError: the output cannot be written.
    """
    if output is None:
        if sys.stdout is None:
            raise InputError("standard output is closed; name a file with -o")
        yield sys.stdout.buffer
        return
    with atomic_path(output, streamed=True) as partial, partial.open("wb") as stream:
        yield stream


class JsonLinesSink:
    """One JSON object a result, one line each, as soon as it is known."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def write(self, result: Line) -> None:
        """Write one line."""
        _emit(self._stream, json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """Nothing was held back."""


class CsvSink:
    """One row a face or crop, under a header."""

    def __init__(self, stream: BinaryIO, columns: Iterable[str]):
        self._stream = stream
        self._columns = tuple(columns)
        _emit(stream, csv_header(self._columns))

    def write(self, result: Result) -> None:
        """Write a result's rows."""
        _emit(self._stream, csv_lines(self._columns, result.to_rows()))

    def close(self) -> None:
        """Nothing was held back."""


class PhotoTableSink:
    """A table a photo, with the group's summary below it."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def write(self, result: Photo) -> None:
        """Write one photo's table."""
        _emit(self._stream, rendered(self._stream.isatty(), *photo_table(result)))

    def close(self) -> None:
        """Nothing was held back."""


class CropTableSink:
    """One table of all crops, written at the end so that its columns fit."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._rows: list[Row] = []

    def write(self, result: Result) -> None:
        """Hold back one crop's row."""
        self._rows += result.to_rows()

    def close(self) -> None:
        """Write the table."""
        _emit(self._stream, rendered(self._stream.isatty(), crop_table(self._rows)))


class AnnotatedPhotos:
    """Saves pictures with results drawn on them, each under its photo's own file name.

    Photos that share a file name are numbered, and no photo of the run is ever overwritten by its drawing.
    """

    def __init__(self, folder: Path, sources: Iterable[str]):
        """Save into ``folder``, which is made if need be; ``sources`` are all photos of the run."""
        self._folder = folder
        self._taken = {Path(source).resolve() for source in sources}

    def keep(self, source: str) -> bool:
        """Whether a run that is resumed has already saved the drawing of one photo, whose name is then taken."""
        target = self._free_name(Path(source))
        is_there = target.is_file()
        if is_there:
            self._taken.add(target.resolve())
        return is_there

    def save(self, source: str, picture: Image.Image) -> Path:
        """Save the drawing of one photo; returns where it is.

        Raises:
            InputError: the folder cannot be written.
        """
        target = self._free_name(Path(source))
        self._taken.add(target.resolve())
        options: dict[str, Any] = {"quality": 92} if target.suffix in _LOSSY else {}
        with atomic_path(target) as partial:
            picture.save(partial, **options)
        return target

    def _free_name(self, source: Path) -> Path:
        suffix = source.suffix.lower() if source.suffix.lower() in _LOSSY else ".png"
        names = itertools.chain([source.stem], (f"{source.stem}-{number}" for number in itertools.count(2)))
        paths = ((self._folder / f"{name}{suffix}") for name in names)
        return next(path for path in paths if path.resolve() not in self._taken)


def _emit(stream: BinaryIO, text: str) -> None:
    # A file name that is no Unicode text is written with escapes, which JSON reads back as they were.
    stream.write(text.encode("utf-8", "backslashreplace"))
    stream.flush()
