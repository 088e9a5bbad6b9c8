"""One photo of an archive: where its bytes are, and what its manifest says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["file", "tar", "parquet"]


@dataclass(frozen=True, slots=True)
class Item:
    """A photo, or in its place the reason why there is none.

    Attributes:
        path: of the file, or of the container that holds it.
        member: its name in a tar, or the column of a Parquet file that holds its bytes.
        offset: where its bytes begin in a tar, or its row in a Parquet file.
        size: in bytes; None where nobody said.
        kind: of what ``path`` names.
        unusable: why there is no photo, or None.
        carried: values of the manifest's columns, by name.
        photo: its number in the archive, from 0; -1 until it is listed.
    """

    path: str
    member: str | None = None
    offset: int | None = None
    size: int | None = None
    kind: Kind = "file"
    unusable: str | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)
    photo: int = -1

    @property
    def name(self) -> str:
        """What to call it in messages."""
        if self.kind == "tar" and self.member is not None:
            return f"{self.path}::{self.member}"
        return f"{self.path}::row {self.offset}" if self.kind == "parquet" and self.offset is not None else self.path

    @property
    def folder(self) -> str:
        """The folder it lies in, or the container's name and the folder within it."""
        inside = self.kind == "tar" and self.member is not None
        return self.path if self.kind != "file" and not inside else self.name.rpartition("/")[0]
