"""A live source in a terminal: the group's bars, and how the watching goes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.charts import clock
from fsrfer.output.terminal import interval, printable
from fsrfer.types import Group, GroupEstimate

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable, RenderableType
    from rich.table import Table

BAR = 24
"""Characters of a bar of 100%."""

PER_SECOND = 4
"""How often the panel is drawn, at most."""


@dataclass(slots=True)
class Watching:
    """What the panel shows; whoever watches keeps it up to date.

    Attributes:
        source: name without secrets.
        seconds: since the first frame.
        lost_for: seconds since the source was lost; 0 while it is there.
        lost: seconds that it was lost before.
        per_second: frames looked at.
        latency: seconds from a frame to its answer.
        passed_over: looks that were missed.
        faces: of the newest frame; None in aggregate-only runs.
        window: start and end of the newest time window, in seconds; None before the first is over.
        estimate: of that window; None where it is withheld.
        least: smallest group that is reported.
    """

    source: str
    seconds: float = 0.0
    lost_for: float = 0.0
    lost: float = 0.0
    per_second: float = 0.0
    latency: float = 0.0
    passed_over: int = 0
    faces: Group | None = None
    window: tuple[float, float] | None = None
    estimate: GroupEstimate | None = None
    least: int = 0


class LivePanel:
    """Draws `Watching` in place on standard output; use it in a ``with`` block."""

    def __init__(self, watching: Watching, now: Callable[[], float]) -> None:
        """Begin.

        Args:
            watching: what to show.
            now: a clock that goes forward, in seconds.
        """
        from rich.live import Live

        self._watching, self._now, self._drawn = watching, now, float("-inf")
        self._live = Live(panel(watching), auto_refresh=False)

    def __enter__(self) -> "LivePanel":
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.update(panel(self._watching), refresh=True)
        self._live.stop()

    def draw(self) -> None:
        """Show what is known now, unless it was shown a moment ago."""
        if self._now() - self._drawn >= 1 / PER_SECOND:
            self._drawn = self._now()
            self._live.update(panel(self._watching), refresh=True)


def panel(watching: Watching) -> "ConsoleRenderable":
    """The panel, for rich."""
    from rich.console import Group as Lines
    from rich.panel import Panel
    from rich.text import Text

    lines: list[RenderableType] = [_state(watching)]
    if watching.faces is not None:
        lines.append(Text(_faces(watching.faces)))
    lines += [Text(), Text(_of_window(watching), style="bold")]
    if watching.estimate is not None and watching.estimate.shares:
        lines.append(_bars(watching.estimate))
    return Panel(Lines(*lines), title=Text(printable(watching.source)), title_align="left", expand=False)


def _state(watching: Watching) -> "RenderableType":
    from rich.text import Text

    if watching.lost_for:
        return Text(f"lost for {clock(watching.lost_for)}; trying again", style="bold red")
    parts = [clock(watching.seconds), f"{watching.per_second:.1f} frames/s", f"{watching.latency * 1000:.0f} ms late"]
    parts += [f"{watching.passed_over} passed over"] if watching.passed_over else []
    parts += [f"{clock(watching.lost)} lost"] if watching.lost else []
    return Text("   ".join(parts), style="dim")


def _faces(group: Group) -> str:
    small = f", {group.too_small} too small" if group.too_small else ""
    return f"{group.faces} {'face' if group.faces == 1 else 'faces'} now, {group.uncertain} uncertain{small}"


def _of_window(watching: Watching) -> str:
    if watching.window is None:
        return "the first time window is not over yet"
    start, end = watching.window
    title = f"{clock(start)} to {clock(end)}: "
    estimate = watching.estimate
    if estimate is None:
        return f"{title}fewer than {watching.least} faces, nothing is reported"
    if not estimate.shares:
        return f"{title}no faces to count"
    how = "" if estimate.has_intervals else ", too few for intervals"
    return f"{title}{estimate.counted} {'face' if estimate.counted == 1 else 'faces'}{how}"


def _bars(estimate: GroupEstimate) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    for name in EXPRESSIONS:
        share = estimate.shares[name]
        bar = ProgressBar(total=1, completed=share.value, width=BAR)
        table.add_row(name, bar, f"{share.value:>4.0%}", interval(share))
    return table
