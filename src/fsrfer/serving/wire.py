"""How the service and its workers speak: length-prefixed frames of JSON and bytes, never pickles.

A worker decodes what strangers send. Should one of them take it over, what it answers is still only numbers and bytes.
"""

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from fsrfer.types import FloatArray, UInt8Image

_SIZES = struct.Struct("!IQ")
"""Before each frame: bytes of its JSON, and of all its blobs together."""

LONGEST_HEAD = 2**20
LARGEST_BODY = 2**31


class WireError(Exception):
    """The other side sent no frame of ours."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame.

    Attributes:
        fields: what JSON can hold.
        blobs: bytes.
    """

    fields: Mapping[str, Any]
    blobs: Sequence[bytes] = ()


def encoded(message: Message) -> list[bytes]:
    """A message as the parts of its frame, to be written one after another."""
    sizes = [len(blob) for blob in message.blobs]
    head = json.dumps({"fields": message.fields, "sizes": sizes}).encode()
    return [_SIZES.pack(len(head), sum(sizes)) + head, *message.blobs]


def write(sink: BinaryIO, message: Message) -> None:
    """Write a message, in a worker."""
    sink.writelines(encoded(message))
    sink.flush()


def read(source: BinaryIO) -> Message | None:
    """Read a message, in a worker; None at the end.

    Raises:
        WireError: no frame of ours.
    """
    beginning = source.read(_SIZES.size)
    if len(beginning) < _SIZES.size:
        return None
    head, body = _sizes(beginning)
    return _message(source.read(head), source.read(body))


async def receive(stream: asyncio.StreamReader) -> Message:
    """Read a message from a worker.

    Raises:
        WireError: no frame of ours.
        asyncio.IncompleteReadError: the worker is gone.
    """
    head, body = _sizes(await stream.readexactly(_SIZES.size))
    return _message(await stream.readexactly(head), await stream.readexactly(body))


def floats(blob: bytes, *shape: int) -> FloatArray:
    """The float32 array in a blob.

    Raises:
        WireError: it has another size.
    """
    array: FloatArray = _array(blob, np.dtype(np.float32), shape)
    return array


def greys(blob: bytes, *shape: int) -> UInt8Image:
    """The uint8 array in a blob.

    Raises:
        WireError: it has another size.
    """
    array: UInt8Image = _array(blob, np.dtype(np.uint8), shape)
    return array


def _array(blob: bytes, kind: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    if len(blob) != kind.itemsize * int(np.prod(shape)):
        raise WireError("an array of another size")
    return np.frombuffer(blob, kind).reshape(shape)


def _sizes(beginning: bytes) -> tuple[int, int]:
    head, body = _SIZES.unpack(beginning)
    if head > LONGEST_HEAD or body > LARGEST_BODY:
        raise WireError("a frame that is too large")
    return head, body


def _message(head: bytes, body: bytes) -> Message:
    try:
        told = json.loads(head)
        fields, sizes = dict(told["fields"]), [int(size) for size in told["sizes"]]
    except (ValueError, TypeError, KeyError) as error:
        raise WireError("a frame without a head") from error
    if min(sizes, default=0) < 0 or sum(sizes) != len(body):
        raise WireError("blobs of other sizes")
    ends = np.cumsum([0, *sizes]).tolist()
    return Message(fields, tuple(body[start:end] for start, end in pairwise(ends)))
