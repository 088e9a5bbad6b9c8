"""The one walk over folders, for photos and data sets: nothing hidden, linked folders followed, nothing lost in silence."""

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fsrfer.images import HEIF_ADVICE, HEIF_SUFFIXES

SYSTEM_NAMES = frozenset(
    {
        *("__macosx", "@eadir", "$recycle.bin", "#recycle", "@recycle", "system volume information", "lost+found"),
        *("thumbs.db", "desktop.ini"),
    }
)
"""What systems leave in folders beside names that begin with a dot; compared in lower case."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What lies in a folder, to any depth.

    Attributes:
        files: those that were looked for, a folder's own before those of its folders, each in the order of their names;
            linked folders come last.
        unreadable: folders that could not be read, each with the reason.
        passed_over: how many other files there were, by suffix in lower case (hidden and system files are not counted).
    """

    files: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]
    passed_over: Mapping[str, int]


VIDEO_SUFFIXES = frozenset(f".{name}" for name in "mp4 m4v mov avi mkv webm ts mts mpg mpeg wmv flv 3gp".split())  # noqa: SIM905
"""File names taken for videos, which photos are not read from."""


def by_kind(passed_over: Mapping[str, int]) -> str:
    """How many files of which kinds were passed over, and what to do for those that could be used; empty if there were none.

    Args:
        passed_over: as in `Walk`.

    Example:
        >>> by_kind({".txt": 2, "": 1, ".mov": 1})
        '1 video (see: fsrfer video --help), 2 .txt, 1 without a suffix'
    """
    counts = Counter(passed_over)
    pictures = sum(counts.pop(suffix, 0) for suffix in HEIF_SUFFIXES)
    videos = sum(counts.pop(suffix, 0) for suffix in VIDEO_SUFFIXES)
    words = [f"{pictures} HEIC {_plural('picture', pictures)} ({HEIF_ADVICE})"] if pictures else []
    words += [f"{videos} {_plural('video', videos)} (see: fsrfer video --help)"] if videos else []
    words += [f"{count} {suffix or 'without a suffix'}" for suffix, count in counts.most_common()]
    return ", ".join(words)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def is_hidden(name: str) -> bool:
    """Whether a name is the system's rather than the user's."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def walk(folder: Path, suffixes: Collection[str]) -> Walk:
    """All files of some suffixes in a folder.

    A linked folder is followed once; one that was met already (a loop, or a link to a neighbour) is not counted again.

    Args:
        folder: where to begin.
        suffixes: in lower case, with their dots.
    """
    files: list[Path] = []
    unreadable: list[tuple[Path, str]] = []
    others: Counter[str] = Counter()
    met: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        start = waiting.pop(0)
        links: list[Path] = []

        def note(error: OSError) -> None:
            unreadable.append((Path(error.filename), error.strerror or str(error)))

        for parent, folders, names in os.walk(start, onerror=note):
            if not _first_time(Path(parent), met):
                folders.clear()
                continue
            visible = sorted(name for name in folders if not is_hidden(name))
            links += [Path(parent, name) for name in visible if Path(parent, name).is_symlink()]
            folders[:] = [name for name in visible if not Path(parent, name).is_symlink()]
            for name in sorted(name for name in names if not is_hidden(name)):
                suffix = Path(name).suffix.lower()
                if suffix in suffixes:
                    files.append(Path(parent, name))
                else:
                    others[suffix] += 1
        waiting += links
    return Walk(tuple(files), tuple(unreadable), dict(others))


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, linked ones included, in the order of their names."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name))


def _first_time(folder: Path, met: set[tuple[int, int]]) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino)
    if identity in met:
        return False
    met.add(identity)
    return True
