"""From what the user names (files, folders, globs) to pictures, one at a time and never silently fewer."""

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import islice
from pathlib import Path

from fsrfer.errors import FsrferWarning, InputError
from fsrfer.folders import VIDEO_SUFFIXES, by_kind, is_hidden, walk
from fsrfer.images import MAX_PIXELS, load_rgb, picture_suffixes
from fsrfer.types import UInt8Image

PREFETCHED = 2
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


def expand(sources: Iterable[str | Path], leave_out: Path | None = None) -> list[Source]:
    """All pictures behind some files, folders (searched to any depth) and glob patterns.

    Folders and patterns give the files whose suffix is a picture's, sorted, without hidden ones; a file named
    outright is taken whatever its suffix. A source with nothing behind it gives one `Source` with an error.

    Args:
        sources: as the user names them.
        leave_out: the folder that drawings are saved in, whose pictures are no sources; a source with no others is an
            error.

    Warns:
        FsrferWarning: files of a folder or pattern were passed over; how many of which kinds, and what to do.
    """
    return [one for source in sources for one in _without_drawings(str(source), leave_out)]


def _without_drawings(source: str, folder: Path | None) -> list[Source]:
    found = _expand_one(source)
    if folder is None:
        return found
    drawings = folder.resolve()
    kept = [one for one in found if one.error or drawings not in Path(one.name).resolve().parents]
    return kept or [
        Source(source, f"{source}: its pictures lie in {folder}, where drawings go; save the drawings elsewhere")
    ]


def load(sources: Iterable[Source], max_pixels: int = MAX_PIXELS) -> Iterator[Picture]:
    """Decode pictures in order, a few ahead of the caller in a background thread; those over ``max_pixels`` are errors."""
    remaining = iter(sources)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode") as pool:
        pending = [pool.submit(load_one, source, max_pixels) for source in islice(remaining, PREFETCHED)]
        try:
            while pending:
                picture = pending.pop(0).result()
                pending += [pool.submit(load_one, source, max_pixels) for source in islice(remaining, 1)]
                yield picture
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def load_one(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode one source; a failure becomes the picture's error."""
    if source.error:
        return Picture(source.name, None, source.error)
    try:
        return Picture(source.name, load_rgb(source.name, max_pixels))
    except InputError as error:
        return Picture(source.name, None, str(error))


def _expand_one(source: str) -> list[Source]:
    if not source:
        return [Source(source, "an empty name is no picture; name a file, folder or pattern")]
    if message := _what_it_is(source):
        return [Source(source, message)]
    try:
        if Path(source).is_dir():
            return _expand_folder(source)
        is_pattern = has_magic(source) and not os.path.lexists(source)
    except (OSError, ValueError) as error:  # a name that the system cannot look up
        return [Source(source, f"{source}: cannot be looked up ({getattr(error, 'strerror', None) or error})")]
    return _expand_pattern(source) if is_pattern else [Source(source)]


def _what_it_is(source: str) -> str | None:
    """What to do instead with a source that is no file of a picture, or None."""
    if "://" in source:
        return f"{source}: an address, and nothing is fetched; download the picture and name its file"
    if source == "-":
        return "-: pictures are not read from standard input; name files, folders or patterns"
    if Path(source).suffix.lower() in VIDEO_SUFFIXES:
        return f"{source}: a video; use: fsrfer video {source}"
    return None


def _expand_folder(folder: str) -> list[Source]:
    sources, others = _in_folder(folder)
    _warn(folder, others)
    return sources


def _in_folder(folder: str) -> tuple[list[Source], Counter[str]]:
    """The pictures of a folder, and how many other files there are, by suffix."""
    found = walk(Path(folder), picture_suffixes())
    sources = [Source(str(path)) for path in found.files]
    sources += [Source(str(path), f"{path}: the folder cannot be read ({reason})") for path, reason in found.unreadable]
    if sources:
        return sources, Counter(found.passed_over)
    instead = f" (passed over: {by_kind(found.passed_over)})" if found.passed_over else ""
    return [Source(folder, f"{folder}: no pictures in this folder{instead}")], Counter()


def _expand_pattern(pattern: str) -> list[Source]:
    """Matching pictures and those in matching folders, each once though ``**`` matches both."""
    found: dict[str, Source] = {}
    others: Counter[str] = Counter()
    named = set(Path(pattern).parts)
    for match in sorted(glob(pattern, recursive=True)):  # noqa: PTH207 (a pattern may be absolute)
        if any(is_hidden(part) and part not in named for part in Path(match).parts):
            continue
        if Path(match).is_dir():
            found |= {inner.name: inner for inner in _in_folder(match)[0] if not inner.error}
        elif _is_picture(Path(match).name):
            found[match] = Source(match)
        elif not is_hidden(Path(match).name):
            others[Path(match).suffix.lower()] += 1
    if not found:
        instead = f" (passed over: {by_kind(others)})" if others else ""
        return [Source(pattern, f"{pattern}: no picture matches this pattern{instead}")]
    _warn(pattern, others)
    return list(found.values())


def _warn(source: str, others: Counter[str]) -> None:
    if others:
        warnings.warn(f"{source}: passed over {by_kind(others)}", FsrferWarning, stacklevel=5)


def _is_picture(name: str) -> bool:
    return not is_hidden(name) and Path(name).suffix.lower() in picture_suffixes()
