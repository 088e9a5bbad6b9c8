"""The one reader of users' text (tables, lists, recipes, boxes): UTF-8, with or without a byte order mark."""

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fsrfer.errors import FsrferError, InputError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def open_text(path: Path, failure: type[FsrferError] = InputError) -> Iterator[TextIO]:
    """A stream of a file's text, its line ends kept as the `csv` module wants them.

    Args:
        path: of the file.
        failure: raised for whatever is wrong with it.

    Raises:
        FsrferError: it cannot be read, is not UTF-8, or (while it is read as one) no table; of the kind ``failure``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError:
        raise failure(f"{path}: {_what_it_is(path)}; save it as UTF-8 (in a spreadsheet: CSV UTF-8)") from None
    except csv.Error as error:
        raise failure(f"{path}: not a table of comma-separated values ({error})") from error
    except OSError as error:
        raise failure(f"{path}: cannot be read ({error.strerror or error})") from error


def read_text(path: Path, failure: type[FsrferError] = InputError) -> str:
    """The whole text of a file; see `open_text`."""
    with open_text(path, failure) as stream:
        return stream.read()


def _what_it_is(path: Path) -> str:
    """Where a file stops being UTF-8."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if number == 1 and line.startswith(_UTF_16):
                return "this is UTF-16"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"line {number} is not UTF-8"
    return "this is not UTF-8"
