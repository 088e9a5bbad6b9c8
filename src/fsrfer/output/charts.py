"""Small charts: where everything on them stands. The templates of the same names draw them as SVG."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.colours import COLOURS
from fsrfer.types import Share

WIDTH = 860
LABEL = 92
"""Space for names on the left, in units of the drawing."""

ROW = 46
BAR = 30
_MARGIN = 14

SLANTED = 108
"""Space below a chart for names at a slant, in units of the drawing."""

LONGEST_NAME = 21
"""Of a name on an axis, in characters."""

MOST_NAMES = 36
"""On an axis."""


@dataclass(frozen=True, slots=True)
class Point:
    """One time window, or one photo.

    Attributes:
        start, end: on the horizontal axis, in seconds or numbers of photos.
        faces: mean number of faces in a frame.
        shares: by expression; empty where nothing can be said, which leaves a gap.
        name: what stands on the axis instead of numbers, if anything.
    """

    start: float
    end: float
    faces: float
    shares: dict[str, Share]
    name: str = ""

    @property
    def middle(self) -> float:
        """Centre on the horizontal axis."""
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What all charts have, in units of the drawing, which count from the upper left corner.

    Attributes:
        width, height: of the drawing.
        left: where names end and the plot begins.
        bottom: where the plot ends and its scale begins.
    """

    width: int = WIDTH
    height: int
    left: int = LABEL
    bottom: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One expression of `ShareBars`: its row's middle, the length of its bar and the ends of its whisker, if it has one."""

    name: str
    colour: str
    share: Share
    y: float
    length: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareBars(Chart):
    """Bars, the largest first, and the lines of the scale: where they stand, and for which share."""

    bars: Sequence[Bar]
    grid: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Column:
    """One point's faces; it stands on its strip's bottom, and shows its name to who points at it."""

    x: float
    width: float
    height: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """One point's share of one expression: its place in time, and the heights of the share and its interval's ends."""

    x: float
    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One row of `TimelineChart`.

    Attributes:
        name: "faces" or an expression.
        colour: of the bands.
        top, bottom: its ends.
        most: what the top stands for, in words.
        columns: of faces.
        bands: of an expression; one for each stretch without a gap, at least one spot each.
    """

    name: str
    colour: str = ""
    top: float
    bottom: float
    most: str
    columns: Sequence[Column] = ()
    bands: Sequence[Sequence[Spot]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineChart(Chart):
    """Strips from top to bottom, the plot's right end, and the scale: what it counts, its places and their names.

    ``slanted`` says whether the names need a slant.
    """

    strips: Sequence[Strip]
    right: float
    axis: str
    ticks: Sequence[tuple[float, str]]
    slanted: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """One column of `Histogram`, with its name and count in words."""

    name: str
    count: str
    x: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Chart):
    """Bins from left to right, each ``step`` wide."""

    bins: Sequence[Bin]
    step: float


def share_bars(shares: Mapping[str, Share]) -> ShareBars:
    """A bar an expression, the largest first, with its interval as a whisker and in words."""
    ranked = sorted(shares.items(), key=lambda item: -item[1].value)
    scale, bottom = WIDTH - LABEL - 190, BAR * len(ranked)
    bars = [
        Bar(
            name=name,
            colour=COLOURS[name],
            share=share,
            y=(row + 0.5) * BAR,
            length=max(scale * share.value, 0.5),
            low=None if share.low is None else LABEL + scale * share.low,
            high=None if share.high is None else LABEL + scale * share.high,
        )
        for row, (name, share) in enumerate(ranked)
    ]
    grid = [(LABEL + scale * value, value) for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return ShareBars(height=bottom + 24, bottom=bottom, bars=bars, grid=grid)


def timeline(points: Sequence[Point], axis: str, is_clock: bool) -> TimelineChart:
    """Faces and the share of each expression along the clip: a strip each, a line with its interval as a band.

    Args:
        points: in order.
        axis: what the horizontal axis counts.
        is_clock: whether to write it as minutes and seconds.
    """
    first, last = points[0].start, max(points[-1].end, points[0].start + 1e-9)
    right = WIDTH - _MARGIN - 40
    across = (right - LABEL) / (last - first)

    def x(value: float) -> float:
        return LABEL + (value - first) * across

    stretches = _stretches(points) if is_clock else [[point] for point in points if point.shares]
    expressions = [_expression_strip(row, name, stretches, x) for row, name in enumerate(EXPRESSIONS, 1)]
    bottom = ROW * (1 + len(expressions))
    names = _names(points)
    marks = names or [(value, clock(value) if is_clock else f"{value:g}") for value in ticks(first, last)]
    return TimelineChart(
        height=bottom + (SLANTED if names else 22),
        bottom=bottom,
        strips=[_faces_strip(points, x), *expressions],
        right=right,
        axis=axis,
        ticks=[(x(value), name) for value, name in marks],
        slanted=bool(names),
    )


def histogram(counts: Mapping[str, int | None]) -> Histogram:
    """A column a bin; a count that is withheld is written as a dash."""
    tallest, most = 120, max([count or 0 for count in counts.values()] + [1])
    step = (WIDTH - LABEL - _MARGIN) / len(counts)
    bins = [
        Bin(name, "-" if count is None else f"{count:,}", LABEL + index * step, tallest * (count or 0) / most)
        for index, (name, count) in enumerate(counts.items())
    ]
    return Histogram(height=tallest + 46, bottom=tallest + 20, bins=bins, step=step)


def ticks(first: float, last: float, most: int = 9) -> list[float]:
    """Round values between two ends, at most about ``most`` of them.

    Example:
        >>> ticks(0, 60)
        [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    """
    steps = [scale * base for scale in (0.1, 1, 10, 60, 600, 3600, 36000) for base in (1, 2, 5)]
    step = next((step for step in steps if (last - first) / step <= most), steps[-1])
    count = int((last - first) / step + 1e-9)
    start = -(-first // step) * step
    return [float(round(start + index * step, 6)) for index in range(count + 1) if start + index * step <= last + 1e-9]


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """A name of at most so many characters; what is left out of a longer one is its middle.

    Example:
        >>> shortened("IMG_20261128_101500_burst_0012.jpg")
        'IMG_202611…t_0012.jpg'
        >>> shortened("hall.jpg")
        'hall.jpg'
    """
    kept = most - 1
    return name if len(name) <= most else f"{name[: kept // 2]}…{name[len(name) - (kept - kept // 2) :]}"


def clock(seconds: float) -> str:
    """Seconds as people write them.

    Example:
        >>> clock(75), clock(3675), clock(2.5)
        ('1:15', '1:01:15', '0:02.5')
    """
    minutes, rest = divmod(round(max(seconds, 0.0), 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours}:{minutes:02d}:{int(rest):02d}"
    return f"{minutes}:{rest:04.1f}" if rest % 1 else f"{minutes}:{int(rest):02d}"


def _names(points: Sequence[Point]) -> list[tuple[float, str]]:
    """Names of points that have one, and where they stand; of many, every so manieth."""
    named = [(point.middle, shortened(point.name)) for point in points if point.name]
    return named[:: -(-len(named) // MOST_NAMES) or 1]


def _stretches(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches of points that say something."""
    stretches: list[list[Point]] = [[]]
    for point in points:
        if point.shares:
            stretches[-1].append(point)
        elif stretches[-1]:
            stretches.append([])
    return [run for run in stretches if run]


def _faces_strip(points: Sequence[Point], x: Callable[[float], float]) -> Strip:
    top, bottom = _ends(0)
    most = max([1.0, *(point.faces for point in points)])
    columns = [
        Column(
            x=x(point.start),
            width=max(x(point.end) - x(point.start) - 0.4, 0.6),
            height=(bottom - top) * point.faces / most,
            name=point.name,
        )
        for point in points
    ]
    return Strip(name="faces", top=top, bottom=bottom, most=f"{most:.0f}", columns=columns)


def _expression_strip(row: int, name: str, stretches: Sequence[Sequence[Point]], x: Callable[[float], float]) -> Strip:
    top, bottom = _ends(row)

    def spot(point: Point) -> Spot:
        share = point.shares[name]
        ends = (share.value if end is None else end for end in (share.low, share.value, share.high))
        low, value, high = (bottom - (bottom - top) * end for end in ends)
        return Spot(x(point.middle), low, value, high)

    bands = [[spot(point) for point in stretch] for stretch in stretches]
    return Strip(name=name, colour=COLOURS[name], top=top, bottom=bottom, most="100%", bands=bands)


def _ends(row: int) -> tuple[int, int]:
    return row * ROW + 6, (row + 1) * ROW - 6
