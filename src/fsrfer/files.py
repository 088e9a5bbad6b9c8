"""The one way out for everything written: targets checked before any work, files whole or not at all."""

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from fsrfer.errors import InputError

LOCK = ".lock"
"""In a folder that one run fills, while it does."""

_DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|stdout|stderr)|/proc/self/fd/(\d+)")

_CANNOT_WRITE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
)
"""Failures that speak of the target, whatever the block was about to do."""


def check_file(target: Path) -> None:
    """Check, before any work, that a file can be written; nothing is left behind.

    Raises:
        InputError: a folder is there, its own folder cannot be made or written, or the name is too long.
    """
    real = _real(target)
    if _is_open(target) or is_special(real):
        return
    with _one_line(target):
        real.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=".partial-")
        os.close(handle)
        Path(name).unlink()


def check_outputs(targets: Iterable[Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Check, before any work, the files that a command is to write: each by itself, and that none is another or an input.

    Args:
        targets: None stands for one that was not asked for.
        inputs: what the command reads; what is no file is passed over.

    Raises:
        InputError: one cannot be written, two are the same file, or an input would be overwritten.
    """
    files: dict[tuple[int, int] | str, Path] = {}
    for target in targets:
        if target is None:
            continue
        check_file(target)
        if _is_open(target) or is_special(target):
            continue
        identity = _identity(target) or os.path.realpath(target)
        if identity in files:
            raise InputError(f"{target}: the same file as {files[identity]}; name another for one of them")
        files[identity] = target
    if any(isinstance(identity, tuple) for identity in files):
        for source in inputs:
            if target := files.get(_identity(source) or ""):
                raise InputError(f"{target}: this would overwrite the input {source}; choose another name")


def check_folder(target: Path) -> None:
    """Check, before any work, that a folder is there or can be made, and that files can be written into it; nothing is left.

    Raises:
        InputError: a file is there, or it cannot be made or written.
    """
    with _one_line(target):
        is_new = not target.exists()
        if not is_new and not target.is_dir():
            raise InputError(f"{target}: a file is there; name a folder")
        target.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target, prefix=".partial-")
        os.close(handle)
        Path(name).unlink()
        if is_new:
            target.rmdir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the block no other run of this package fills the folder, which is made if need be.

    Raises:
        InputError: another run has it, or it cannot be written.
    """
    check_folder(folder)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _held(folder / LOCK, f"{folder}: another run is writing into this folder; choose another one, or wait"):
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it was filled
                folder.rmdir()


@contextmanager
def locked_file(target: Path) -> Iterator[None]:
    """Within the block no other run of this package works at a file; its folder must be there.

    Raises:
        InputError: another run does.
    """
    lock = target.with_name(f".{target.name}{LOCK}")
    with _held(lock, f"{target}: another run is writing there; choose another file, or wait"):
        yield


@contextmanager
def _held(lock: Path, busy: str) -> Iterator[None]:
    own = FileLock(lock)
    try:
        own.acquire(timeout=0)
    except Timeout:
        raise InputError(busy) from None
    try:
        yield
    finally:
        own.release()
        lock.unlink(missing_ok=True)


@contextmanager
def atomic_path(target: Path, *, streamed: bool = False) -> Iterator[Path]:
    """A temporary path beside ``target`` that replaces it when the block ends, and vanishes if it fails.

    A link is written through: what it points to is replaced. What a device, a pipe or an open descriptor (``/dev/stdout``) gets
    is written elsewhere first, since many formats need to go back in their file.

    Args:
        target: where the file is to appear.
        streamed: the block writes from front to back: a device or pipe gets each part at once, its path is its own.

    Raises:
        InputError: the target cannot be written, a folder is there, or the disk is full.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "table.csv"
        >>> with atomic_path(target) as path:
        ...     _ = path.write_text("ok")
        >>> target.read_text()
        'ok'
    """
    target = Path(target)
    real = _real(target)
    with _one_line(target):
        if streamed and is_special(real):
            yield real
            return
        if _is_open(target) or is_special(real):
            with tempfile.TemporaryDirectory(prefix="fsrfer-") as folder:
                partial = Path(folder, f"partial{real.suffix}")
                yield partial
                with partial.open("rb") as source, _special(target) as stream:
                    shutil.copyfileobj(source, stream)
            return
        real.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=".partial-", suffix=real.suffix)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            partial.chmod(0o666 & ~_umask())
            partial.replace(real)
        finally:
            partial.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text atomically; what is no Unicode, such as a file name of another encoding, is written with escapes."""
    with atomic_path(target) as path:
        path.write_bytes(text.encode("utf-8", "backslashreplace"))


def is_special(path: Path) -> bool:
    """Whether a device, pipe or socket is there, which cannot be replaced but only written into."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _descriptor(target: Path) -> int | None:
    """The number of an open descriptor that a path names, such as ``/dev/stdout``."""
    if not (found := _DESCRIPTOR.fullmatch(str(target))):
        return None
    number = found[1] or found[2] or ("2" if found[0].endswith("stderr") else "1")
    return int(number)


def _is_open(target: Path) -> bool:
    """Whether a path names a descriptor of this process.

    Raises:
        InputError: one that is closed.
    """
    if (number := _descriptor(target)) is None:
        return False
    with _one_line(target):
        os.fstat(number)
    return True


def _special(target: Path) -> BinaryIO:
    """A device, pipe or open descriptor to write into; what went through the descriptor before stays."""
    number = _descriptor(target)
    return target.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a file from all others; None where there is none."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _real(target: Path) -> Path:
    """The target itself, or what it links to.

    Raises:
        InputError: a folder is there, or a link that leads to itself.
    """
    with _one_line(target):
        if _descriptor(target) is not None or is_special(target):
            return target
        real = Path(os.path.realpath(target)) if target.is_symlink() else target
        if real.is_symlink():
            raise InputError(f"{target}: a link that leads to itself; choose another place")
        if real.is_dir():
            raise InputError(f"{target}: a folder is there; name a file")
    return real


@contextmanager
def _one_line(target: Path) -> Iterator[None]:
    """Turns failures of the system that speak of the target into one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        own = error.filename is None or str(error.filename).startswith((str(target), str(target.parent)))
        if error.errno in _CANNOT_WRITE or own:
            raise InputError(
                f"{target}: cannot be written ({error.strerror or error}); choose another place"
            ) from error
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
