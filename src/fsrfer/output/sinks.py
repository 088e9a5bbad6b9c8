"""Where results go: a table, JSON Lines or CSV, to the terminal or to a file that is never half-written."""

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from PIL import Image

from fsrfer.errors import InputError
from fsrfer.files import atomic_path, is_special
from fsrfer.output.rows import CROP_COLUMNS, FACE_COLUMNS, Row
from fsrfer.types import Face, Group

if TYPE_CHECKING:
    from rich.table import Table

FORMATS = ("table", "json", "csv")

_SUFFIXES = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv"}
_LOSSY = (".jpg", ".jpeg")
_FILE_WIDTH = 120


class Result(Protocol):
    """What can be written: the result of a photo or of a crop."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""

    def to_rows(self) -> list[Row]:
        """Flat rows."""


class Photo(Protocol):
    """What a photo's table shows."""

    @property
    def source(self) -> str:
        """Its name."""

    @property
    def width(self) -> int | None:
        """In pixels."""

    @property
    def height(self) -> int | None:
        """In pixels."""

    @property
    def error(self) -> str | None:
        """Why it could not be looked at."""

    @property
    def faces(self) -> tuple[Face, ...]:
        """In the order of the table."""

    @property
    def group(self) -> Group:
        """Their plain counts."""


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
    if output is None or suffix in ("", ".txt") or is_special(output):
        return "table"
    if suffix not in _SUFFIXES:
        known = ", ".join([*_SUFFIXES, ".txt"])
        raise InputError(f"{output}: no format is known by this name; use {known}, or say --format {'|'.join(FORMATS)}")
    return _SUFFIXES[suffix]


@contextmanager
def open_photo_sink(chosen: str, output: Path | None) -> Iterator["Sink[WrittenPhoto]"]:
    """A sink for photos; see `_open`."""
    with _open(output) as stream:
        yield (
            PhotoTableSink(stream)
            if chosen == "table"
            else JsonLinesSink(stream)
            if chosen == "json"
            else CsvSink(stream, FACE_COLUMNS)
        )


@contextmanager
def open_crop_sink(chosen: str, output: Path | None) -> Iterator[Sink[Result]]:
    """A sink for crops; see `_open`."""
    with _open(output) as stream:
        sink: Sink[Result] = (
            CropTableSink(stream)
            if chosen == "table"
            else JsonLinesSink(stream)
            if chosen == "json"
            else CsvSink(stream, CROP_COLUMNS)
        )
        yield sink
        sink.close()


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
    with atomic_path(output) as partial, partial.open("wb") as stream:
        yield stream


class JsonLinesSink:
    """One JSON object a result, one line each, as soon as it is known."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def write(self, result: Result) -> None:
        """Write one line."""
        _emit(self._stream, json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """Nothing was held back."""


class CsvSink:
    """One row a face or crop, under a header."""

    def __init__(self, stream: BinaryIO, columns: Iterable[str]):
        self._stream = stream
        self._columns = tuple(columns)
        self._write([dict(zip(self._columns, self._columns, strict=True))])

    def write(self, result: Result) -> None:
        """Write a result's rows."""
        self._write(result.to_rows())

    def close(self) -> None:
        """Nothing was held back."""

    def _write(self, rows: Iterable[Row]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([_cell(row[name]) for name in self._columns] for row in rows)
        _emit(self._stream, text.getvalue())


class PhotoTableSink:
    """A table a photo, with the group's summary below it."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def write(self, result: Photo) -> None:
        """Write one photo's table."""
        _print(self._stream, *_photo_table(result))

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
        _print(self._stream, _crop_table(self._rows))


class AnnotatedPhotos:
    """Saves pictures with results drawn on them, each under its photo's own file name.

    Photos that share a file name are numbered, and no photo of the run is ever overwritten by its drawing.
    """

    def __init__(self, folder: Path, sources: Iterable[str]):
        """Save into ``folder``, which is made if need be; ``sources`` are all photos of the run."""
        self._folder = folder
        self._taken = {Path(source).resolve() for source in sources}

    def save(self, source: str, picture: Image.Image) -> Path:
        """Save the drawing of one photo; returns where it is.

        Raises:
            InputError: the folder cannot be written.
        """
        target = self._free_name(Path(source))
        options: dict[str, Any] = {"quality": 92} if target.suffix in _LOSSY else {}
        with atomic_path(target) as partial:
            picture.save(partial, **options)
        return target

    def _free_name(self, source: Path) -> Path:
        suffix = source.suffix.lower() if source.suffix.lower() in _LOSSY else ".png"
        names = itertools.chain([source.stem], (f"{source.stem}-{number}" for number in itertools.count(2)))
        paths = ((self._folder / f"{name}{suffix}") for name in names)
        target = next(path for path in paths if path.resolve() not in self._taken)
        self._taken.add(target.resolve())
        return target


def printable(text: str) -> str:
    """Text that cannot break a line or a terminal: control characters and undecodable bytes are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _emit(stream: BinaryIO, text: str) -> None:
    # A file name that is no Unicode text is written with escapes, which JSON reads back as they were.
    stream.write(text.encode("utf-8", "backslashreplace"))
    stream.flush()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _photo_table(result: Photo) -> tuple[Any, ...]:
    from rich.text import Text

    size = "" if result.width is None else f"   {result.width} x {result.height} px"
    title = Text(printable(result.source), style="bold").append(size, style="dim")
    if result.error is not None:
        return title, Text(f"  {printable(result.error)}", style="red"), Text()
    if not result.faces:
        return title, Text("  no faces found"), Text()
    effective = any(face.effective_px is not None for face in result.faces)
    table = _table("#", *_heights(effective), "expression", "probability", "", "detection")
    for number, face in enumerate(result.faces):
        remark = "too small" if face.too_small else "" if face.certain else "uncertain"
        cells = (
            *_height_cells(face.size_px, face.effective_px, effective),
            face.expression,
            f"{face.probability:.0%}",
            remark,
            f"{face.detection_score:.2f}",
        )
        table.add_row(str(number), *cells, style="" if face.certain else "dim")
    return title, table, Text(f"  {_summary(result.group)}"), Text()


def _summary(group: Group) -> str:
    ranked = sorted(group.shares.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{name} {share:.0%}" for name, share in ranked if share)
    counts = f"{group.faces} {'face' if group.faces == 1 else 'faces'}, {group.uncertain} uncertain"
    small = f", {group.too_small} too small" if group.too_small else ""
    return f"{counts}{small}" + (f": {shares}" if shares else "")


def _crop_table(rows: Sequence[Row]) -> "Table":
    from rich.text import Text

    effective = any(row["effective_px"] is not None for row in rows)
    heights = _heights(effective)
    table = _table("file", *heights, "expression", "probability", "")
    for row in rows:
        name = Text(printable(row["file"]))
        if row["error"] is not None:
            table.add_row(name, *[""] * len(heights), "", "", Text(printable(row["error"]), style="red"))
            continue
        remark = "" if row["certain"] else "uncertain"
        cells = _height_cells(row["size_px"], row["effective_px"], effective)
        table.add_row(name, *cells, row["expression"], f"{row['probability']:.0%}", remark)
    return table


def _heights(effective: bool) -> tuple[str, ...]:
    return ("height px", "effective px") if effective else ("height px",)


def _height_cells(size_px: float, effective_px: float | None, effective: bool) -> tuple[str, ...]:
    """What stands below `_heights`."""
    size = f"{size_px:.0f}"
    return (size, "" if effective_px is None else f"{effective_px:.0f}") if effective else (size,)


def _table(*headers: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, header_style="bold")
    for header in headers:
        right = header in ("#", *_heights(effective=True), "probability", "detection")
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    return table


def _print(stream: BinaryIO, *parts: Any) -> None:
    """Render by rich: in colour and to the terminal's width only if the stream is a terminal."""
    from rich.console import Console

    text = io.StringIO()
    if stream.isatty():
        console = Console(file=text, force_terminal=True, width=Console().width)
    else:
        console = Console(file=text, width=_FILE_WIDTH, no_color=True)
    console.print(*parts, sep="\n")
    _emit(stream, text.getvalue())
