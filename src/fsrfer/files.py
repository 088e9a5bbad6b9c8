"""The one way out for everything written: targets checked before any work, files whole or not at all."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsrfer.errors import InputError

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
    if is_special(real):
        return
    with _one_line(target):
        real.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=".partial-")
        os.close(handle)
        Path(name).unlink()


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
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that replaces it when the block ends, and vanishes if it fails.

    A link is written through: what it points to is replaced. A device or pipe is written straight into: the path is its own.

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
    real = _real(Path(target))
    with _one_line(target):
        if is_special(real):
            yield real
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


def _real(target: Path) -> Path:
    """The target itself, or what it links to.

    Raises:
        InputError: a folder is there.
    """
    with _one_line(target):
        real = Path(os.path.realpath(target)) if target.is_symlink() else target
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
