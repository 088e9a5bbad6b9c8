"""From what the user names (files, folders, globs) to pictures, one at a time and never silently fewer."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import islice
from pathlib import Path

from fsrfer.errors import InputError
from fsrfer.images import SUFFIXES, load_rgb
from fsrfer.types import UInt8Image

AHEAD = 2
"""Pictures decoded in the background while one is worked on; more would only cost memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to look at, or the reason why there is none.

    Attributes:
        name: what the user will see; a path, or the source as it was given.
        error: why there is no picture behind it, or None.
    """

    name: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded source: ``rgb`` (height x width x 3) or else ``error``."""

    name: str
    rgb: UInt8Image | None
    error: str | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height, if it could be decoded."""
        return None if self.rgb is None else (self.rgb.shape[1], self.rgb.shape[0])


def expand(sources: Iterable[str | Path]) -> list[Source]:
    """All pictures behind some files, folders (searched to any depth) and glob patterns.

    Folders and patterns give the files whose suffix is a picture's, sorted, without hidden ones; a file named
    outright is taken whatever its suffix. A source with nothing behind it gives one `Source` with an error.
    """
    return [found for source in sources for found in _expand_one(str(source))]


def load(sources: Iterable[Source]) -> Iterator[Picture]:
    """Decode pictures in order, a few ahead of the caller in a background thread."""
    remaining = iter(sources)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode") as pool:
        pending = [pool.submit(load_one, source) for source in islice(remaining, AHEAD)]
        try:
            while pending:
                picture = pending.pop(0).result()
                pending += [pool.submit(load_one, source) for source in islice(remaining, 1)]
                yield picture
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def load_one(source: Source) -> Picture:
    """Decode one source; a failure becomes the picture's error."""
    if source.error:
        return Picture(source.name, None, source.error)
    try:
        return Picture(source.name, load_rgb(source.name))
    except InputError as error:
        return Picture(source.name, None, str(error))


def _expand_one(source: str) -> list[Source]:
    if not source:
        return [Source(source, "an empty name is no picture; name a file, folder or pattern")]
    if Path(source).is_dir():
        return _expand_folder(source)
    if has_magic(source) and not os.path.lexists(source):
        return _expand_pattern(source)
    return [Source(source)]


def _expand_folder(folder: str) -> list[Source]:
    found: list[Source] = []
    unreadable: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        found += [Source(str(Path(parent, name))) for name in sorted(names) if _is_picture(name)]
    found += [_unreadable(error) for error in unreadable]
    return found or [Source(folder, f"{folder}: no pictures in this folder")]


def _expand_pattern(pattern: str) -> list[Source]:
    """Matching pictures and those in matching folders, each once though ``**`` matches both."""
    found: dict[str, Source] = {}
    for match in sorted(glob(pattern, recursive=True)):  # noqa: PTH207 (a pattern may be absolute)
        if Path(match).is_dir():
            found |= {inner.name: inner for inner in _expand_folder(match) if not inner.error}
        elif _is_picture(Path(match).name):
            found[match] = Source(match)
    return list(found.values()) or [Source(pattern, f"{pattern}: no picture matches this pattern")]


def _unreadable(error: OSError) -> Source:
    return Source(str(error.filename), f"{error.filename}: the folder cannot be read ({error.strerror})")


def _is_picture(name: str) -> bool:
    return not _is_hidden(name) and Path(name).suffix.lower() in SUFFIXES


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
