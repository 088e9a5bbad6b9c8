"""An ONNX graph of convolutions, freed of the number and size of pictures that it was exported for.

The serialised graph is edited as it is (a protocol buffer is a sequence of numbered fields), so that using a model
needs no library but ONNX Runtime. Field numbers are those of ``onnx.proto3``.
"""

from collections.abc import Callable, Iterator
from functools import partial

GRAPH = 7  # of ModelProto
INPUT, OUTPUT, VALUE_INFO = 11, 12, 13  # of GraphProto
SHAPE_OF_VALUE = (2, 1, 2)  # from ValueInfoProto: its type, the type of its tensor, the shape
DIMENSION = 1  # of TensorShapeProto
CHANNELS = 1
"""Of the dimensions of a batch of pictures (N x C x H x W), the one that depends on none of them."""

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


def free_picture_size(data: bytes) -> bytes:
    """The same network with its input's batch, height and width, and all sizes that follow from them, left open.

    Args:
        data: an ONNX model whose inputs are N x C x H x W.

    Raises:
        ValueError: the bytes are no protocol buffer.
    """
    return _edit(data, GRAPH, _free_graph)


def _free_graph(graph: bytes) -> bytes:
    inputs_freed = _edit(
        graph, INPUT, lambda value: _edit_at(value, SHAPE_OF_VALUE, partial(_free_shape, kept=(CHANNELS,)))
    )
    all_freed = _edit(
        inputs_freed, OUTPUT, lambda value: _edit_at(value, SHAPE_OF_VALUE, partial(_free_shape, kept=()))
    )
    return b"".join(raw for number, raw, _ in _fields(all_freed) if number != VALUE_INFO)


def _free_shape(shape: bytes, kept: tuple[int, ...]) -> bytes:
    dimensions = [raw for _, raw, _ in _fields(shape)]
    return b"".join(raw if number in kept else _field(DIMENSION, b"") for number, raw in enumerate(dimensions))


def _edit_at(message: bytes, path: tuple[int, ...], change: Callable[[bytes], bytes]) -> bytes:
    if not path:
        return change(message)
    return _edit(message, path[0], lambda content: _edit_at(content, path[1:], change))


def _edit(message: bytes, which: int, change: Callable[[bytes], bytes]) -> bytes:
    """A message with the content of each of its fields of one number changed."""
    return b"".join(
        _field(number, change(content)) if number == which else raw for number, raw, content in _fields(message)
    )


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, whole field and (where it has a length) content of each field of a message."""
    at = 0
    while at < len(message):
        tag, content_at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == BYTES:
            length, content_at = _varint(message, content_at)
            end = content_at + length
        elif kind == VARINT:
            _, end = _varint(message, content_at)
        elif kind in (FIXED_64, FIXED_32):
            end = content_at + (8 if kind == FIXED_64 else 4)
        else:
            raise ValueError(f"no protocol buffer: a field of kind {kind}")
        if end > len(message):
            raise ValueError("no protocol buffer: it ends within a field")
        yield number, message[at:end], message[content_at:end]
        at = end


def _field(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | BYTES) + _as_varint(len(content)) + content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where the next field or content begins."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("no protocol buffer: it ends within a number")


def _as_varint(value: int) -> bytes:
    septets = [value & 0x7F]
    while value := value >> 7:
        septets.append(value & 0x7F)
    return bytes([septet | 0x80 for septet in septets[:-1]] + septets[-1:])
