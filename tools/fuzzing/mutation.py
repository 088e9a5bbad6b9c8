"""Damage of the kinds that files meet: bits, bytes, numbers, stretches lost, doubled or taken from another file."""

import random
from collections.abc import Callable, Sequence

TELLING = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff",
    b"\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x01",
)
"""Numbers at which readers go wrong."""

LONGEST = 400
"""Bytes of a stretch that is lost, doubled or put in."""


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """One of ``seeds`` with one to eight faults."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        if not data:
            break
        rng.choice(_FAULTS)(data, seeds, rng)
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    """Anywhere, and in half of all cases near the beginning, where the headers are."""
    return rng.randrange(min(len(data), 256) if rng.random() < 0.5 else len(data))


def _flip_bit(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _set_byte(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    data[_place(data, rng)] = rng.randrange(256)


def _set_number(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    start, value = _place(data, rng), rng.choice(TELLING)
    data[start : start + len(value)] = value


def _cut_off(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _lose(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.randrange(1, LONGEST)]


def _double(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    start = _place(data, rng)
    data[start:start] = data[start : start + rng.randrange(1, LONGEST)]


def _scramble(data: bytearray, _seeds: Sequence[bytes], rng: random.Random) -> None:
    start = _place(data, rng)
    length = min(rng.randrange(1, LONGEST), len(data) - start)
    data[start : start + length] = rng.randbytes(length)


def _splice(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(seeds)
    start, begin = _place(data, rng), rng.randrange(len(other))
    data[start : start + LONGEST] = other[begin : begin + rng.randrange(1, LONGEST)]


_FAULTS: tuple[Callable[[bytearray, Sequence[bytes], random.Random], None], ...] = (
    *(_flip_bit, _set_byte, _set_number, _cut_off, _lose, _double, _scramble, _splice),
)
