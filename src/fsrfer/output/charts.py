"""Small charts as SVG text: no script, no font, no request to anyone."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from fsrfer.group.estimate import Share
from fsrfer.labels import EXPRESSIONS

COLOURS = {
    "surprise": "#2f8fc9",
    "fear": "#b65a8e",
    "disgust": "#00805d",
    "happiness": "#c98a00",
    "sadness": "#0a4f8a",
    "anger": "#c24f00",
    "neutral": "#6b6b6b",
}
"""Darker shades of the colours on annotated pictures, to be read on white."""

WIDTH = 860
LABEL = 92
"""Space for names on the left, in units of the drawing."""

ROW = 46
BAR = 30
_MARGIN = 14


@dataclass(frozen=True, slots=True)
class Point:
    """One time window, or one photo.

    Attributes:
        start, end: on the horizontal axis, in seconds or numbers of photos.
        faces: mean number of faces in a frame.
        shares: by expression; empty where nothing can be said, which leaves a gap.
    """

    start: float
    end: float
    faces: float
    shares: dict[str, Share]

    @property
    def middle(self) -> float:
        """Centre on the horizontal axis."""
        return (self.start + self.end) / 2


def share_bars(shares: dict[str, Share]) -> str:
    """A bar an expression, the largest first, with its interval as a whisker and in words."""
    ranked = sorted(shares.items(), key=lambda item: -item[1].value)
    scale, right = WIDTH - LABEL - 190, WIDTH - 130
    parts: list[str] = [_grid(LABEL, LABEL + scale, 0, BAR * len(ranked), (0.0, 0.25, 0.5, 0.75, 1.0))]
    for row, (name, share) in enumerate(ranked):
        middle = row * BAR + BAR / 2
        low, value, high = (LABEL + scale * x for x in (share.low, share.value, share.high))
        parts += [
            _text(LABEL - 10, middle, name, "end"),
            f'<rect x="{LABEL}" y="{middle - 8:.1f}" width="{max(value - LABEL, 0.5):.1f}" height="16" rx="2" '
            f'fill="{COLOURS[name]}" opacity=".82"/>',
            f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 5:.1f}v10M{high:.1f} {middle - 5:.1f}v10" '
            'class="whisker"/>',
            _text(right, middle, f"{share.value:.0%}", "end", "value"),
            _text(WIDTH - _MARGIN, middle, f"{share.low:.0%} to {share.high:.0%}", "end", "soft"),
        ]
    return _svg(BAR * len(ranked) + 24, "Share of each expression with its 95% interval", parts)


def draw_timeline(points: Sequence[Point], tick: str, is_clock: bool) -> str:
    """Faces and the share of each expression along the clip: a strip each, a line with its interval as a band.

    Args:
        points: in order.
        tick: what the horizontal axis counts.
        is_clock: whether to write it as minutes and seconds.
    """
    first, last = points[0].start, max(points[-1].end, points[0].start + 1e-9)
    across = (WIDTH - LABEL - _MARGIN - 40) / (last - first)

    def x(value: float) -> float:
        return LABEL + (value - first) * across

    parts: list[str] = []
    most = max([1.0, *(point.faces for point in points)])
    strips = ["faces", *EXPRESSIONS]
    for row, name in enumerate(strips):
        top = row * ROW + 6
        bottom = top + ROW - 12
        parts.append(
            f'<rect x="{LABEL}" y="{top}" width="{x(last) - LABEL:.1f}" height="{bottom - top}" class="strip"/>'
        )
        parts.append(_text(LABEL - 10, (top + bottom) / 2, name, "end"))
        upper = f"{most:.0f}" if name == "faces" else "100%"
        parts += [
            _text(x(last) + 6, top + 5, upper, "start", "soft"),
            _text(x(last) + 6, bottom - 4, "0", "start", "soft"),
        ]
        if name == "faces":
            parts += [
                _column(x(point.start), x(point.end), bottom, (bottom - top) * point.faces / most) for point in points
            ]
            continue
        for run in _runs(points) if is_clock else ([point] for point in points if point.shares):
            parts += _band([(x(point.middle), point.shares[name]) for point in run], top, bottom, COLOURS[name])
    height = len(strips) * ROW
    for value in ticks(first, last):
        parts.append(f'<path d="M{x(value):.1f} 6V{height - 6}" class="grid"/>')
        parts.append(_text(x(value), height + 8, clock(value) if is_clock else f"{value:g}", "middle", "soft"))
    parts.append(_text(LABEL - 30, height + 8, tick, "end", "soft"))
    return _svg(height + 22, "Faces and share of each expression over time, with 95% intervals", parts)


def histogram(names: Sequence[str], counts: Sequence[int | None]) -> str:
    """A column a bin; a count that is withheld is written as a dash."""
    height, most = 120, max([count or 0 for count in counts] + [1])
    step = (WIDTH - LABEL - _MARGIN) / len(names)
    parts: list[str] = []
    for index, (name, count) in enumerate(zip(names, counts, strict=True)):
        left, tall = LABEL + index * step, height * (count or 0) / most
        parts += [
            f'<rect x="{left + 4:.1f}" y="{20 + height - tall:.1f}" width="{step - 8:.1f}" height="{tall:.1f}" '
            'rx="2" class="column"/>',
            _text(left + step / 2, 20 + height - tall - 9, "-" if count is None else f"{count:,}", "middle", "value"),
            _text(left + step / 2, height + 32, name, "middle", "soft"),
        ]
    parts.append(_text(LABEL - 10, height + 32, "height, px", "end", "soft"))
    parts.append(f'<path d="M{LABEL} {20 + height}H{WIDTH - _MARGIN}" class="axis"/>')
    return _svg(height + 46, "Number of faces by height in pixels", parts)


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


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches of points that say something."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.shares:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _band(run: Sequence[tuple[float, Share]], top: float, bottom: float, colour: str) -> list[str]:
    def y(value: float) -> float:
        return bottom - (bottom - top) * value

    if len(run) == 1:
        at, share = run[0]
        return [
            f'<path d="M{at:.1f} {y(share.low):.1f}V{y(share.high):.1f}" stroke="{colour}" stroke-width="5" opacity=".25"/>',
            f'<circle cx="{at:.1f}" cy="{y(share.value):.1f}" r="2.6" fill="{colour}"/>',
        ]
    edge = [(at, share.high) for at, share in run] + [(at, share.low) for at, share in reversed(run)]
    corners = " ".join(f"{at:.1f},{y(value):.1f}" for at, value in edge)
    line = " ".join(f"{at:.1f},{y(share.value):.1f}" for at, share in run)
    return [
        f'<polygon points="{corners}" fill="{colour}" opacity=".22"/>',
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
    ]


def _column(left: float, right: float, bottom: float, tall: float) -> str:
    width = max(right - left - 0.4, 0.6)
    return f'<rect x="{left:.1f}" y="{bottom - tall:.1f}" width="{width:.1f}" height="{tall:.1f}" class="column"/>'


def _grid(left: float, right: float, top: float, bottom: float, values: Sequence[float]) -> str:
    lines = [left + (right - left) * value for value in values]
    marks = "".join(f'<path d="M{x:.1f} {top}V{bottom}" class="grid"/>' for x in lines)
    names = (_text(x, bottom + 12, f"{value:.0%}", "middle", "soft") for x, value in zip(lines, values, strict=True))
    return marks + "".join(names)


def _text(x: float, y: float, words: str, anchor: str, kind: str = "name") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


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
