"""One page that shows a clip or a folder of photos as a group: shares, how they went, how sure that is, and what it is not.

The page is one HTML file that asks nobody for anything: no script, no font, no picture from outside.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from fsrfer.group.estimate import GroupEstimate, Share
from fsrfer.labels import EXPRESSIONS
from fsrfer.output.charts import Point, clock, draw_timeline, histogram, share_bars
from fsrfer.output.tables import Row

MOST_POINTS = 240
"""On a timeline; neighbours are averaged until there are no more."""

CAVEATS = (
    "An expression is not an emotion: a face that looks happy need not be a happy person's.",
    "The shares speak of faces that were found and large enough. Faces turned away, covered or missed are not in them.",
    "An interval holds the errors that the model is known to make on the faces it was tested on. Other light, ages, "
    "cultures and cameras can shift the shares by more than the interval says.",
    "Someone who leaves the picture and comes back counts again.",
)

_STYLE = """
:root{color-scheme:light}
body{margin:0;background:#f4f4f2;color:#1d1d1b;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:920px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:24px;margin:0;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 10px}
.sub{color:#5c5c58;margin:4px 0 18px}
section{background:#fff;border:1px solid #e2e2de;border-radius:8px;padding:16px 18px;margin:0 0 14px}
.warn{background:#fff6e0;border-color:#ecd59b}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:0 0 14px}
.card{background:#fff;border:1px solid #e2e2de;border-radius:8px;padding:10px 14px}
.card b{display:block;font-size:24px;font-weight:600;font-variant-numeric:tabular-nums}
.card span{color:#5c5c58;font-size:13px}
.note{color:#5c5c58;font-size:13px;margin:10px 0 0}
svg{display:block;width:100%;height:auto}
svg text{font-size:12px;dominant-baseline:middle;fill:#1d1d1b}
svg .soft{fill:#75756f;font-size:11px}
svg .value{font-weight:600;font-variant-numeric:tabular-nums}
.grid{stroke:#d9d9d4;stroke-width:1;fill:none}
.axis{stroke:#9a9a94;stroke-width:1;fill:none}
.whisker{stroke:#1d1d1b;stroke-width:1.4;fill:none}
.strip{fill:#f7f7f5}
.column{fill:#8c8c86}
ul{margin:0;padding-left:18px}
li{margin:3px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0;font-size:13px}
dt{color:#5c5c58}
dd{margin:0;overflow-wrap:anywhere}
@media print{body{background:#fff}section,.card{break-inside:avoid}}
"""


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

    def to_html(self) -> str:
        """The page."""
        title = escape(self.title)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
            f'<h1>{title}</h1><p class="sub">{escape(self.subtitle)}</p>{self._warnings()}{self._cards()}'
            f"{self._shares()}{self._timeline()}{self._sizes()}{_section('What this is not', _list(CAVEATS))}"
            f"{_section('How it was made', _facts(self.facts))}</main></body></html>\n"
        )

    def _warnings(self) -> str:
        return f'<section class="warn">{_list(self.warnings)}</section>' if self.warnings else ""

    def _cards(self) -> str:
        cards = (
            f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in self.cards
        )
        return f'<div class="cards">{"".join(cards)}</div>'

    def _shares(self) -> str:
        if self.group is None or not self.group.shares:
            return _section("Shares", '<p class="note">There are too few faces to tell of a group.</p>')
        how = (
            "Corrected for what the model is known to confuse at these face sizes."
            if self.group.corrected
            else "Not corrected: the model file does not say what it confuses at these face sizes."
        )
        note = (
            f'<p class="note">Whiskers are 95% intervals: they are wide where faces are few, small or unsure. {how}</p>'
        )
        return _section("Share of each expression", share_bars(dict(self.group.shares)) + note)

    def _timeline(self) -> str:
        if len(self.points) < 2 or not any(point.shares for point in self.points):
            return ""
        note = '<p class="note">Bands are 95% intervals. Gaps: no face, or too few to tell of.</p>'
        name = "Over time" if self.clock else "Photo by photo"
        return _section(name, draw_timeline(self.points, self.axis, self.clock) + note)

    def _sizes(self) -> str:
        if not any(self.sizes.values()):
            return ""
        note = '<p class="note">The smaller a face, the less it tells; the shares take that into account.</p>'
        return _section("How large the faces are", histogram(list(self.sizes), list(self.sizes.values())) + note)


def report_of_clip(summary: Mapping[str, Any], group: GroupEstimate | None, rows: Iterable[Row]) -> Report:
    """The page of a video run.

    Args:
        summary: what the run wrote to ``summary.json``.
        group: the whole clip, or None where it is withheld.
        rows: of the run's ``group`` table.
    """
    warnings = [f"Not the whole clip: {summary['stopped']}."] if summary["stopped"] else []
    if summary["damaged_parts"]:
        warnings.append(f"{summary['damaged_parts']} damaged parts of the clip were passed over.")
    if summary["windows_withheld"]:
        least = summary["min_group"]
        warnings.append(f"{summary['windows_withheld']} time windows with fewer than {least} faces are withheld.")
    if summary["work"]["frames_dropped"]:
        warnings.append(
            f"{summary['work']['frames_dropped']} frames were passed over because the work could not keep up."
        )
    looked = f"{summary['frames']:,} frames looked at in {clock(summary['read_to'])}"
    facts = {
        "source": summary["source"],
        "looked at": "every frame" if not summary["every"] else f"every {summary['every']:g} s",
        "time window": f"{summary['window']:g} s",
        "smallest face": f"{summary['min_face']:g} px",
        "detector": summary["detector"],
        "model": f"SHA-256 {summary['model_sha256']}",
        "fsrfer": summary["fsrfer"],
    }
    return Report(
        title=Path(summary["source"]).name or summary["source"],
        subtitle=looked,
        group=group,
        cards=[("faces followed", f"{summary['tracks']:,}"), *counts_of(group)],
        points=points_of(rows),
        axis="time",
        clock=True,
        sizes=summary["sizes_px"],
        warnings=warnings,
        facts=list(facts.items()),
    )


def counts_of(group: GroupEstimate | None) -> list[tuple[str, str]]:
    """Cards of a group: of all faces, how many were large enough, and how many were sure."""
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
        name: Share(*(_mean(telling, name, end, weight) for end in ("value", "low", "high")))
        for name in (EXPRESSIONS if weight > 0 else ())
    }
    return Point(points[0].start, points[-1].end, sum(point.faces for point in points) / len(points), shares)


def _mean(points: Sequence[Point], name: str, end: str, weight: float) -> float:
    return sum(float(getattr(point.shares[name], end)) * point.faces for point in points) / weight


def _point(row: Row) -> Point:
    shares = {
        name: Share(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in EXPRESSIONS if row[name] is not None
    }
    return Point(row["start"], row["end"], row["faces_per_frame"] or 0.0, shares)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in facts)}</dl>"
