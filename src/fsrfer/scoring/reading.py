"""The bytes of a chunk's photos, in order, fetched ahead where they come from a store."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

from fsrfer import images
from fsrfer.errors import InputError
from fsrfer.scoring.items import Item
from fsrfer.scoring.stores import file_system, is_local, is_url, one_line, patiently
from fsrfer.scoring.tables import pictures_of_rows

AHEAD = 8
"""Requests to a store under way."""

Fetched = tuple[Item, bytes | None, str | None]
"""A photo with its bytes, or else with why there are none."""


def fetch(items: Sequence[Item]) -> Iterator[Fetched]:
    """The bytes of some photos; a photo whose bytes cannot be had has an error.

    Raises:
        StoreError: the store does not answer, which is no photo's fault.
    """
    for (kind, remote), group in groupby(items, lambda item: (item.kind, is_url(item.path))):
        some = list(group)
        if kind == "parquet":
            yield from _from_parquet(some)
        elif remote:
            yield from _ahead(some)
        else:
            yield from map(_fetch_local, some)


def _from_parquet(items: list[Item]) -> Iterator[Fetched]:
    for _, group in groupby(items, lambda item: (item.path, item.member)):
        some = list(group)
        usable = [item for item in some if item.unusable is None]
        yield from ((item, None, item.unusable) for item in some if item.unusable is not None)
        if usable:
            yield from _rows(usable)


def _rows(items: list[Item]) -> Iterator[Fetched]:
    by_row = {int(item.offset or 0): item for item in items}
    try:
        for row, data in pictures_of_rows(items[0].path, str(items[0].member), sorted(by_row)):
            item = by_row.pop(row)
            yield (item, data, None) if data else (item, None, f"{item.name}: no bytes in this row")
    except (InputError, OSError) as error:
        yield from ((item, None, f"{item.name}: cannot be read ({one_line(error)})") for item in by_row.values())
        return
    yield from ((item, None, f"{item.name}: the row is gone") for item in by_row.values())


def _ahead(items: list[Item]) -> Iterator[Fetched]:
    """Photos of a store, a few under way while one is looked at."""
    remaining = iter(items)
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="fetch") as pool:
        waiting: deque[Future[Fetched]] = deque()
        try:
            while True:
                while len(waiting) < AHEAD and (item := next(remaining, None)) is not None:
                    waiting.append(pool.submit(_fetch_remote, item))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _fetch_local(item: Item) -> Fetched:
    if item.kind == "tar":
        return _checked(item, lambda: _part_of_file(item))
    if item.unusable is not None:
        return item, None, item.unusable
    try:
        return item, images.read_bytes(Path(item.path)), None
    except InputError as error:
        return item, None, str(error)


def _fetch_remote(item: Item) -> Fetched:
    system, path = file_system(item.path)
    if is_local(system):  # file://
        return _checked(item, lambda: _whole(system, path, item))
    return _checked(item, lambda: patiently(lambda: _whole(system, path, item), item.path))


def _whole(system: Any, path: str, item: Item) -> bytes:
    """The bytes of a file, or of a member of a tar; of a file of unknown size no more than is ever decoded."""
    if item.kind == "tar":
        start = int(item.offset or 0)
        return bytes(system.cat_file(path, start=start, end=start + int(item.size or 0)))
    if item.size is None:
        return bytes(system.cat_file(path, start=0, end=images.MAX_BYTES + 1))
    return bytes(system.cat_file(path))


def _part_of_file(item: Item) -> bytes:
    with Path(item.path).open("rb") as stream:
        stream.seek(int(item.offset or 0))
        return stream.read(int(item.size or 0))


def _checked(item: Item, read: Callable[[], bytes]) -> Fetched:
    if item.unusable is not None:
        return item, None, item.unusable
    too_large = f"{item.name}: pictures over {images.MAX_BYTES // 2**20} MiB are refused"
    if (item.size or 0) > images.MAX_BYTES:
        return item, None, too_large
    try:
        data = read()
    except OSError as error:
        return item, None, f"{item.name}: cannot be read ({error.strerror or one_line(error)})"
    wrong = None
    if not data:
        wrong = f"{item.name}: the file is empty"
    elif len(data) > images.MAX_BYTES:
        wrong = too_large
    elif item.kind == "tar" and len(data) < int(item.size or 0):
        wrong = f"{item.name}: the tar ends within this picture"
    return item, None if wrong else data, wrong
