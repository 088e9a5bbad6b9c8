"""Results as tables that people read, in a terminal or a text file."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fsrfer.output.rows import Row
from fsrfer.types import Face, Group, Share

if TYPE_CHECKING:
    from rich.table import Table

_FILE_WIDTH = 120


class Photo(Protocol):
    """What a photo's table shows."""

    @property
    def source(self) -> str:
        """Its name."""

    @property
    def width(self) -> int | None:
        """In pixels."""

    @property
    def height(self) -> int | None:
        """In pixels."""

    @property
    def error(self) -> str | None:
        """Why it could not be looked at."""

    @property
    def faces(self) -> tuple[Face, ...]:
        """In the order of the table."""

    @property
    def group(self) -> Group:
        """Their plain counts."""


def printable(text: str) -> str:
    """Text that cannot break a line or a terminal: control characters and undecodable bytes are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def rendered(is_terminal: bool, *parts: Any) -> str:
    """What rich makes of some parts: in colour and to the terminal's width only if there is one."""
    from rich.console import Console

    text = io.StringIO()
    if is_terminal:
        console = Console(file=text, force_terminal=True, width=Console().width)
    else:
        console = Console(file=text, width=_FILE_WIDTH, no_color=True)
    console.print(*parts, sep="\n")
    return text.getvalue()


def photo_table(result: Photo) -> tuple[Any, ...]:
    """A photo's title, its faces and the summary below them, for rich."""
    from rich.text import Text

    size = "" if result.width is None else f"   {result.width} x {result.height} px"
    title = Text(printable(result.source), style="bold").append(size, style="dim")
    if result.error is not None:
        return title, Text(f"  {printable(result.error)}", style="red"), Text()
    if not result.faces:
        return title, Text("  no faces found"), Text()
    effective = any(face.effective_px is not None for face in result.faces)
    table = _table("#", *_heights(effective), "expression", "probability", "", "detection")
    for number, face in enumerate(result.faces):
        remark = "too small" if face.too_small else "" if face.certain else "uncertain"
        cells = (
            *_height_cells(face.size_px, face.effective_px, effective),
            face.expression,
            f"{face.probability:.0%}",
            remark,
            f"{face.detection_score:.2f}",
        )
        table.add_row(str(number), *cells, style="" if face.certain else "dim")
    return title, table, Text(f"  {_summary(result.group)}{_corrected(result.group)}"), Text()


def _summary(group: Group) -> str:
    ranked = sorted(group.shares.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{name} {share:.0%}" for name, share in ranked if share)
    counts = f"{group.faces} {'face' if group.faces == 1 else 'faces'}, {group.uncertain} uncertain"
    small = f", {group.too_small} too small" if group.too_small else ""
    return f"{counts}{small}" + (f": {shares}" if shares else "")


def _corrected(group: Group) -> str:
    """A line with the shares of a group that is large enough for intervals."""
    if group.estimate is None or not group.estimate.has_intervals:
        return ""
    ranked = sorted(group.estimate.shares.items(), key=lambda item: -item[1].value)
    shares = ", ".join(f"{name} {share.value:.0%} ({interval(share)})" for name, share in ranked)
    how = "corrected for known confusion" if group.estimate.corrected else "not corrected for confusion"
    return f"\n  {how}, with 95% intervals: {shares}"


def interval(share: Share) -> str:
    """The ends of a share's interval, as they are written in JSON; nothing where there is none.

    Example:
        >>> interval(Share(0.5, 0.41, 0.62)), interval(Share(0.5, None, None))
        ('41% to 62%', '')
    """
    _, low, high = share.to_dict().values()
    return "" if low is None or high is None else f"{low:.0%} to {high:.0%}"


def crop_table(rows: Sequence[Row]) -> "Table":
    """One table of crops, by their rows, for rich."""
    from rich.text import Text

    effective = any(row["effective_px"] is not None for row in rows)
    heights = _heights(effective)
    table = _table("file", *heights, "expression", "probability", "")
    for row in rows:
        name = Text(printable(row["file"]))
        if row["error"] is not None:
            table.add_row(name, *[""] * len(heights), "", "", Text(printable(row["error"]), style="red"))
            continue
        remark = "" if row["certain"] else "uncertain"
        cells = _height_cells(row["size_px"], row["effective_px"], effective)
        table.add_row(name, *cells, row["expression"], f"{row['probability']:.0%}", remark)
    return table


def _heights(effective: bool) -> tuple[str, ...]:
    return ("height px", "effective px") if effective else ("height px",)


def _height_cells(size_px: float, effective_px: float | None, effective: bool) -> tuple[str, ...]:
    """What stands below `_heights`."""
    size = f"{size_px:.0f}"
    return (size, "" if effective_px is None else f"{effective_px:.0f}") if effective else (size,)


def _table(*headers: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, header_style="bold")
    for header in headers:
        right = header in ("#", *_heights(effective=True), "probability", "detection")
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    return table
