"""Bodies of requests, read in memory alone and under limits that hold while they come: bytes, parts, time."""

from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.requests import Request
from starlette.types import Receive

from fsrfer.output.terminal import printable
from fsrfer.serving.admission import Reservation
from fsrfer.serving.problems import CLOSE, ProblemError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

LONGEST_NAME = 255
"""Characters of a picture's name that are given back."""

FORMATS = {
    "JPEG": (0, b"\xff\xd8\xff"),
    "PNG": (0, b"\x89PNG\r\n\x1a\n"),
    "WebP": (8, b"WEBP"),
    "GIF": (0, b"GIF8"),
    "BMP": (0, b"BM"),
    "TIFF": (0, b"II*\x00"),
    "TIFF (big-endian)": (0, b"MM\x00*"),
    "AVIF or HEIC": (4, b"ftyp"),
}
"""Pictures that are taken, and how they begin: where, and with what."""

IMAGES = ("image/", "application/octet-stream")
"""Media types of bodies that are one picture."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a request: what the client calls it, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Of a request: bytes of its body, files in it, seconds that it may take to come."""

    size: int
    files: int
    seconds: float


async def read_uploads(
    request: Request, limits: UploadLimits, reservation: Reservation, kinds: tuple[str, ...] = IMAGES
) -> list[Upload]:
    """The files of a request: its whole body, or the parts of a form.

    Args:
        request: whose body was not read yet.
        limits: of it.
        reservation: that its memory is taken from.
        kinds: beginnings of the media types that a body of one file may have.

    Raises:
        ProblemError: too large, too slow, of another type, damaged or empty.
    """
    _check_length(request, limits.size)
    collect = _collector(request, limits.files, kinds)
    try:
        async with reservation.coming(limits.seconds):
            await _read(request.receive, collect.write, limits.size, reservation)
    except TimeoutError:
        raise ProblemError(
            408, "slow-upload", f"the body did not come within {limits.seconds:g} s; send it again", CLOSE
        ) from None
    files = collect.files()
    if not any(file.data for file in files):
        raise empty()
    return files


def check_picture(data: bytes) -> None:
    """Refuse what does not begin as a picture of `FORMATS`, whatever it is called.

    Raises:
        ProblemError: it does not.
    """
    if not data:
        raise empty()
    if not any(data[start : start + len(magic)] == magic for start, magic in FORMATS.values()):
        raise ProblemError(415, "not-a-picture", f"not a picture in a format that is taken ({', '.join(FORMATS)})")


def empty() -> ProblemError:
    """What is told of nothing."""
    return ProblemError(400, "empty", "the file is empty, or there is none; send a file's bytes, or a form with files")


def too_large(limit: int) -> ProblemError:
    """What is told of a body over the limit."""
    return ProblemError(413, "too-large", f"the body is larger than {limit} bytes; send a smaller one", CLOSE)


def _check_length(request: Request, limit: int) -> None:
    """What the head of a request tells of its body."""
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()):
        raise ProblemError(400, "bad-length", "Content-Length is no number", CLOSE)
    if int(length) > limit:
        raise too_large(limit)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(415, "encoded", "compressed bodies are not taken; send the file as it is", CLOSE)


async def _read(receive: Receive, write: Callable[[bytes], None], limit: int, reservation: Reservation) -> None:
    total, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk, more = message.get("body", b""), message.get("more_body", False)
        total += len(chunk)
        if total > limit:
            raise too_large(limit)
        reservation.take(len(chunk))
        write(chunk)


class ClientGoneError(Exception):
    """The client has gone away: nobody waits for an answer."""


def _collector(request: Request, most: int, kinds: tuple[str, ...]) -> "_Whole | _Form":
    header = Message()
    header["content-type"] = request.headers.get("content-type") or "application/octet-stream"
    kind = header.get_content_type()
    if kind == "multipart/form-data":
        boundary = header.get_param("boundary")
        if not isinstance(boundary, str) or not boundary.isascii():
            raise ProblemError(400, "bad-form", "the form has no boundary", CLOSE)
        return _Form(boundary, most)
    if not kind.startswith(kinds):
        raise ProblemError(
            415, "media-type", "the body must be a file (application/octet-stream) or multipart/form-data", CLOSE
        )
    return _Whole()


class _Whole:
    """A body that is one file."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def files(self) -> list[Upload]:
        data = b"".join(self._chunks)
        return [Upload("picture", data)] if data else []


class _Form:
    """A form, each part of which is a file."""

    def __init__(self, boundary: str, most: int):
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_header_field": self._field,
            "on_header_value": self._value,
            "on_header_end": self._header,
            "on_end": self._finish,
        }
        self._most, self._files, self._whole = most, list[Upload](), False
        self._name: str | None = None
        self._begin()
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise ProblemError(400, "bad-form", "the form's boundary is too long", CLOSE) from None

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise ProblemError(400, "bad-form", "the form is damaged", CLOSE) from None

    def files(self) -> list[Upload]:
        if not self._whole:
            raise ProblemError(400, "bad-form", "the form is cut off")
        return self._files

    def _begin(self) -> None:
        self._name, self._chunks = None, list[bytes]()
        self._header_field, self._header_value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header_field += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        if self._header_field.lower() == b"content-disposition":
            header = Message()
            header["content-disposition"] = self._header_value.decode("utf-8", "replace")
            name = header.get_filename()
            self._name = None if name is None else printable(name or "picture")[:LONGEST_NAME]
        self._header_field, self._header_value = b"", b""

    def _end(self) -> None:
        if self._name is None:
            raise ProblemError(400, "bad-form", "a part of the form is no file; options belong into the address", CLOSE)
        if len(self._files) >= self._most:
            raise ProblemError(413, "too-many", f"more than {self._most} files; send them in several requests", CLOSE)
        self._files.append(Upload(self._name, b"".join(self._chunks)))

    def _finish(self) -> None:
        self._whole = True
