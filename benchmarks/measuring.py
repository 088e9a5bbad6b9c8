"""What the benchmarks share: how they are run, a clock, medians, made-up pictures, and facts of the machine."""

import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from fsrfer.errors import FsrferError
from fsrfer.types import UInt8Image


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the result.

    Attributes:
        what: was measured.
        value: the median of the repetitions.
        unit: of the value.
        spread: half the distance between the quartiles, in the same unit; None for a single figure.
    """

    what: str
    value: float
    unit: str
    spread: float | None = None


def run(main: Callable[[], int | None]) -> None:
    """Run a script's ``main`` and exit by what it returns; what its user can put right is one line, and exit code 2."""
    try:
        code = main()
    except FsrferError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        code = 2
    sys.exit(code)


def timed(action: Callable[[], object], repeat: int) -> list[float]:
    """Seconds of each repetition, after one that does not count."""
    return [once(action) for _ in range(repeat + 1)][1:]


def once(action: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def summary(what: str, values: list[float], unit: str) -> Measured:
    """Median and half the distance between the quartiles."""
    if len(values) < 2:
        return Measured(what, values[0], unit)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Measured(what, statistics.median(values), unit, (high - low) / 2)


def random_picture(rng: np.random.Generator, width: int, height: int) -> UInt8Image:
    """Noise, height x width x 3."""
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def processor() -> str:
    """The processor's name, where the system tells it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def instructions() -> str:
    """The best instructions the processor has for products of 8-bit numbers, where the system tells it."""
    listing = Path("/proc/cpuinfo")
    words = set(listing.read_text(encoding="utf-8").split()) if listing.exists() else set()
    known = ("amx_int8", "avx512_vnni", "avx_vnni", "asimddp", "avx512bw", "avx2")
    return next((name for name in known if name in words), "unknown")


def readable(value: float | None) -> str:
    """Three digits, without exponents; a dash for what there is none of."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def columns_of(rows: Iterable[Mapping[str, float]]) -> list[str]:
    """All that any row has a figure of, in order."""
    return list(dict.fromkeys(column for row in rows for column in row))


def figure_table(title: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Rows of figures in aligned columns."""
    table, columns = Table("", title=title), columns_of(rows.values())
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, row in rows.items():
        table.add_row(name, *(readable(row.get(column)) for column in columns))
    return table
