import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.group.estimate import GroupEstimate, Share
from fsrfer.labels import EXPRESSIONS
from fsrfer.output.charts import Point, histogram, share_bars, ticks, timeline
from fsrfer.output.colours import COLOURS
from fsrfer.output.page import MOST_POINTS, Report, Timeline
from fsrfer.output.render import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def shares(tilt: float = 0.0) -> dict[str, Share]:
    values = np.linspace(0.05, 0.2 + tilt, 7)
    values /= values.sum()
    return {
        name: Share(float(value), float(value) * 0.6, min(1.0, float(value) * 1.5))
        for name, value in zip(EXPRESSIONS, values, strict=True)
    }


class TextOf(HTMLParser):
    """A page as a browser takes it: its kinds of elements, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def points(count: int) -> list[Point]:
    return [Point(5.0 * i, 5.0 * i + 5, 10.0 + i % 3, {} if i % 7 == 3 else shares(i / count)) for i in range(count)]


REPORT = Report(
    title="hall <2>.mp4",
    subtitle="500 frames looked at in 1:40",
    group=GroupEstimate(120, 100, 20, 50, shares(), Share(0.1, -0.1, 0.3), True),
    cards=[("faces followed", "120"), ("too small to count", "17%")],
    points=points(20),
    axis="time",
    clock=True,
    sizes={"under 8": 20, "8-12": 60, "12-16": None, "16 and over": 40},
    warnings=["Not the whole clip: stopped by the user."],
    facts=[("source", "hall <2>.mp4"), ("model", "SHA-256 0123")],
)


def test_the_page_asks_nobody_for_anything() -> None:
    page = REPORT.to_html()
    assert "hall &lt;2&gt;.mp4" in page
    assert "<2>" not in page
    assert re.search(r"(src|href)\s*=|url\(|@import|<script|https?://", page) is None
    assert "default-src 'none'" in page


def test_no_text_becomes_markup() -> None:
    nasty = """<script>alert("1")</script> & 'x' {{ 7 * 7 }}"""
    report = replace(
        REPORT,
        title=nasty,
        subtitle=nasty,
        cards=[(nasty, nasty)],
        axis=nasty,
        sizes={nasty: 1},
        warnings=[nasty],
        facts=[(nasty, nasty)],
    )
    parts = TextOf(report.to_html())
    assert parts.texts.count(nasty) == 10
    assert parts.tags == TextOf(REPORT.to_html()).tags


def test_every_drawing_is_well_formed() -> None:
    drawings = re.findall(r"<svg.*?</svg>", REPORT.to_html(), re.DOTALL)
    assert len(drawings) == 3
    for drawing in drawings:
        assert ET.fromstring(drawing).tag == "svg"
        assert "nan" not in drawing


def test_the_figures_are_there_to_be_read() -> None:
    page = REPORT.to_html()
    for words in (
        "happiness",
        "95% intervals",
        "An expression is not an emotion",
        "stopped by the user",
        "Corrected for",
    ):
        assert words in page
    assert "Not corrected" in replace(REPORT, group=replace(REPORT.group, corrected=False)).to_html()
    assert "too few faces" in replace(REPORT, group=None).to_html()


@pytest.mark.parametrize("count", [1, 2, 500])
def test_timelines_of_any_length(count: int) -> None:
    assert ET.fromstring(render("timeline.svg.jinja", chart=timeline(points(count), "time", True))) is not None


def test_a_long_timeline_is_thinned_and_keeps_its_ends() -> None:
    timeline = Timeline()
    for point in points(5000):
        timeline.add(point)
    thinned = timeline.points
    assert MOST_POINTS <= len(thinned) <= 2 * MOST_POINTS
    assert (thinned[0].start, thinned[-1].end) == (0.0, 25000.0)
    assert all(one.end == pytest.approx(other.start) for one, other in pairwise(thinned))


def test_photos_carry_their_names_shortened_in_the_middle() -> None:
    names = ["hall.jpg", "IMG_20261128_101500_burst_0012.jpg"]
    drawn = [Point(i + 0.5, i + 1.5, 3.0, shares(), name) for i, name in enumerate(names)]
    chart = timeline(drawn, "photo", False)
    assert [name for _, name in chart.ticks] == ["hall.jpg", "IMG_202611…t_0012.jpg"]
    page = render("timeline.svg.jinja", chart=chart)
    assert f"<title>{names[1]}</title>" in page
    assert ET.fromstring(page) is not None
    many = [replace(drawn[0], start=i + 0.5, end=i + 1.5, name=f"{i}.jpg") for i in range(200)]
    assert 20 < len(timeline(many, "photo", False).ticks) <= 36


def test_bars_histograms_and_ticks() -> None:
    assert render("share_bars.svg.jinja", chart=share_bars(shares())).count("<rect") == 7
    assert ">-<" in render("histogram.svg.jinja", chart=histogram({"a": None, "b": 3}))
    assert ticks(0, 3600) == [0, 600, 1200, 1800, 2400, 3000, 3600]
    assert set(COLOURS) == set(EXPRESSIONS)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to look at the page with (apt-get install chromium)")
def test_a_real_browser_shows_the_page(tmp_path: Path) -> None:
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(REPORT.to_html(), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    folder = f"--user-data-dir={tmp_path / 'profile'}"
    size, out = "--window-size=960,1600", f"--screenshot={shot}"
    done = subprocess.run(
        [*command, folder, size, out, "--enable-logging=stderr", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shot.is_file(), done.stderr
    assert "CONSOLE" not in done.stderr
    pixels = np.asarray(Image.open(shot).convert("RGB")).reshape(-1, 3).astype(int)
    for name in ("happiness", "anger", "neutral"):
        colour = np.array([int(COLOURS[name][index : index + 2], 16) for index in (1, 3, 5)])
        assert (np.abs(pixels - colour).sum(axis=1) < 60).sum() > 100, name
