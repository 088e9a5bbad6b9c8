"""Files on this machine or on any store that fsspec knows, each written whole: one request, or a replacing rename."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fsrfer.files import atomic_path
from fsrfer.scoring.errors import StoreError

T = TypeVar("T")

WAITS = (0.5, 2.0, 8.0)
"""Seconds between the attempts at a request that failed for no reason that stays."""

LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
"""Failures that another attempt would only repeat."""


def is_url(text: str) -> bool:
    """Whether a text is an address such as ``s3://bucket/photos`` rather than a path."""
    return "://" in text or "::" in text


def file_system(url: str) -> tuple[Any, str]:
    """The file system behind an address or path, and the path on it.

    Raises:
        StoreError: no such kind of store, or its package is not installed.
    """
    import fsspec

    try:
        system, path = fsspec.url_to_fs(url if is_url(url) else str(Path(url).absolute()), use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StoreError(f"{url}: {one_line(error)}") from error
    return system, str(path)


def is_local(system: Any) -> bool:
    """Whether a file system is this machine's own."""
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    return "file" in protocols


def patiently(action: Callable[[], T], where: str) -> T:
    """The answer of a store, asked again where it fails for a reason that may pass.

    Raises:
        OSError: one of `LASTING`.
        StoreError: it still fails.
    """
    for wait in (*WAITS, None):
        try:
            return action()
        except LASTING:
            raise
        except Exception as error:  # each store's package has errors of its own
            if wait is None:
                raise StoreError(f"{where}: the store does not answer ({one_line(error)})") from error
            time.sleep(wait)
    raise AssertionError("not reached")


def one_line(error: BaseException) -> str:
    """What an error says, or else what it is."""
    return " ".join(str(error).split()) or type(error).__name__


class Store:
    """A folder on this machine or on a store.

    Attributes:
        url: as it was given.
        local: whether it is this machine's own.
    """

    def __init__(self, url: str):
        """Name the folder; nothing is asked of it yet.

        Raises:
            StoreError: no such kind of store, or its package is not installed.
        """
        self.url = url
        self._system, root = file_system(url)
        self._root = root.rstrip("/")
        self.local = is_local(self._system)

    def within_process(self) -> bool:
        """Whether no other process can see it (``memory://``)."""
        return type(self._system).__name__ == "MemoryFileSystem"

    def path(self, name: str) -> str:
        """The path of a file on its own file system."""
        return f"{self._root}/{name}" if name else self._root

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none.

        Raises:
            StoreError: the store does not answer.
        """
        try:
            return bytes(patiently(lambda: self._system.cat_file(self.path(name)), f"{self.url}/{name}"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.url}/{name}: cannot be read ({error.strerror or one_line(error)})") from error

    def read_all(self, names: list[str], at_once: int = 256) -> Iterator[tuple[str, bytes]]:
        """The contents of many files, in their order, some at once where the store can do that."""
        for start in range(0, len(names), at_once):
            paths = {self.path(name): name for name in names[start : start + at_once]}
            found = patiently(partial(self._system.cat, list(paths)), self.url)
            contents = {path.lstrip("/"): data for path, data in found.items()}
            yield from ((name, bytes(contents[path.lstrip("/")])) for path, name in paths.items())

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file, or nothing of it.

        Raises:
            InputError, StoreError: it cannot be written.
        """
        if self.local:
            with atomic_path(Path(self.path(name))) as unfinished:
                unfinished.write_bytes(data)
            return
        try:
            patiently(lambda: self._system.pipe_file(self.path(name), data), f"{self.url}/{name}")
        except OSError as error:
            raise StoreError(f"{self.url}/{name}: cannot be written ({one_line(error)})") from error

    def sizes(self, folder: str) -> dict[str, int]:
        """The files of a folder, by their names within it, with their sizes in bytes; nothing where there is no folder."""
        try:
            found = patiently(lambda: self._system.ls(self.path(folder), detail=True), f"{self.url}/{folder}")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"{self.url}: cannot be listed ({one_line(error)})") from error
        return {str(one["name"]).rsplit("/", 1)[-1]: int(one["size"] or 0) for one in found if one["type"] == "file"}

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            patiently(lambda: self._system.rm_file(self.path(name)), f"{self.url}/{name}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{self.url}/{name}: cannot be removed ({one_line(error)})") from error

    def open(self, name: str) -> Any:
        """A file to read from anywhere in it."""
        return patiently(lambda: self._system.open(self.path(name), "rb"), f"{self.url}/{name}")
