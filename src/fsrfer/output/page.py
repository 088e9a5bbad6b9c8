"""One page that shows a clip or a folder of photos as a group: shares, how they went, how certain that is, and what it is not.

The page is one HTML file that asks nobody for anything: no script, no font, no picture from outside. Single faces, where they
may be shown, are in its viewer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.charts import Point, histogram, share_bars, timeline
from fsrfer.output.render import render
from fsrfer.output.rows import Row
from fsrfer.output.viewer import SCRIPTS, Viewer
from fsrfer.types import GroupEstimate, Share

MOST_POINTS = 240
"""On a timeline; neighbours are averaged until there are no more."""


@dataclass(frozen=True, slots=True)
class FaceLine:
    """One face in words: which it is, its expression, that answer's probability, and a remark such as "uncertain"."""

    name: str
    expression: str
    probability: float
    remark: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a page shows.

    Attributes:
        title: name of the clip or folder.
        subtitle: one line below it.
        group: the whole; None where it is withheld because it is too small.
        cards: the figures in front, with their names.
        points: along the clip, or a photo each.
        axis: what the points' axis counts.
        clock: whether that axis is time.
        sizes: faces by bins of their height in pixels; None for a count that is withheld.
        warnings: what the reader has to know first, such as that the clip was damaged.
        facts: how it was made, name and value.
        viewer: of pictures and single faces; None where nothing of single faces is shown.
        faces: instead of shares, where there are fewer than five.
    """

    title: str
    subtitle: str
    group: GroupEstimate | None
    cards: Sequence[tuple[str, str]]
    points: Sequence[Point]
    axis: str
    clock: bool
    sizes: Mapping[str, int | None]
    warnings: Sequence[str]
    facts: Sequence[tuple[str, str]]
    viewer: Viewer | None = None
    faces: Sequence[FaceLine] = ()

    def to_html(self) -> str:
        """The page."""
        shares = self.group.shares if self.group else None
        has_course = len(self.points) > 1 and any(point.shares for point in self.points)
        return render(
            "page.html.jinja",
            report=self,
            styles=("style.css", "viewer.css") if self.viewer else ("style.css",),
            scripts=SCRIPTS if self.viewer else (),
            bars=share_bars(shares) if shares else None,
            timeline=timeline(self.points, self.axis, self.clock) if has_course else None,
            sizes=histogram(self.sizes) if any(self.sizes.values()) else None,
        )


def counts_of(group: GroupEstimate | None) -> list[tuple[str, str]]:
    """Cards of a group: of all faces, how many were large enough, and how many were certain."""
    if group is None or not group.faces:
        return []
    parts = {
        "large enough to count": group.counted,
        "too small to count": group.too_small,
        "without a certain expression": group.uncertain,
    }
    return [(name, f"{count / group.faces:.0%}") for name, count in parts.items()]


class Timeline:
    """Points one by one, neighbours averaged so that there are never more than twice `MOST_POINTS`."""

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most, self._together = most, 1
        self._points: list[Point] = []
        self._waiting: list[Point] = []

    def add(self, point: Point) -> None:
        """Take the next point."""
        self._waiting.append(point)
        if len(self._waiting) < self._together:
            return
        self._points.append(average(self._waiting))
        self._waiting = []
        if len(self._points) == 2 * self._most:
            self._points = [average(self._points[index : index + 2]) for index in range(0, len(self._points), 2)]
            self._together *= 2

    @property
    def points(self) -> list[Point]:
        """All points so far."""
        return [*self._points, *([average(self._waiting)] if self._waiting else [])]


def points_of(rows: Iterable[Row]) -> list[Point]:
    """Points of a timeline from the rows of a ``group`` table, which are read once."""
    timeline = Timeline()
    for row in rows:
        timeline.add(_point(row))
    return timeline.points


def average(points: Sequence[Point]) -> Point:
    """Several points as one; shares count by their faces."""
    telling = [point for point in points if point.shares]
    weight = sum(point.faces for point in telling)
    shares = {
        name: Share(
            sum(point.shares[name].value * point.faces for point in telling) / weight,
            _mean(telling, name, "low", weight),
            _mean(telling, name, "high", weight),
        )
        for name in (EXPRESSIONS if weight > 0 else ())
    }
    faces = sum(point.faces for point in points) / len(points)
    return Point(points[0].start, points[-1].end, faces, shares, points[0].name)


def _mean(points: Sequence[Point], name: str, end: str, weight: float) -> float | None:
    """None where a point has no interval."""
    ends = [(getattr(point.shares[name], end), point.faces) for point in points]
    return None if any(value is None for value, _ in ends) else sum(value * faces for value, faces in ends) / weight


def _point(row: Row) -> Point:
    shares = {
        name: Share(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in EXPRESSIONS if row[name] is not None
    }
    return Point(row["start"], row["end"], row["faces_per_frame"] or 0.0, shares)
