"""Pictures in tar files, such as WebDataset's shards: equal names are kept apart, a damaged file gives what comes before."""

import tarfile
from collections.abc import Iterator
from typing import Any

from fsrfer.folders import is_hidden
from fsrfer.images import picture_suffixes
from fsrfer.scoring.items import Item
from fsrfer.scoring.stores import one_line

SUFFIX = ".tar"


def pictures(stream: Any, path: str, seekable: bool) -> Iterator[Item]:
    """The pictures of a tar, and last an unusable item where it ends too early or is damaged.

    Args:
        stream: of the file's bytes.
        path: of the file.
        seekable: whether what lies between headers can be passed over for nothing, as on this machine's own disk.
    """
    suffixes = picture_suffixes()
    try:
        with tarfile.open(fileobj=stream, mode="r:" if seekable else "r|") as tar:
            while (member := tar.next()) is not None:
                name = member.name.rsplit("/", 1)[-1]
                if member.isfile() and not is_hidden(name) and f".{name.rpartition('.')[2].lower()}" in suffixes:
                    yield Item(path, member.name, member.offset_data, member.size, "tar")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        yield Item(path, kind="tar", unusable=f"{path}: the rest of this tar cannot be read ({one_line(error)})")
