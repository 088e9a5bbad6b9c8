import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.group.counting import count_group
from fsrfer.output.colours import contrast
from fsrfer.output.viewer import MOST_PICTURES, largest_side
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.report import PhotosReport
from fsrfer.photo.results import PhotoResult
from support.browser import CHROMIUM, Browser, browser
from support.crowds import HEIGHT, WIDTH, crowd

NASTY = "</script><img onerror=alert(1) src=x>&amp;.png"
FACE = "document.activeElement.getAttribute('aria-label')"
VIEW = "document.querySelector('.stage').getAttribute('viewBox').split(' ').map(Number)"
SHOWN = "document.querySelectorAll('.mark:not([hidden])').length"
STAGE = "(() => { const r = document.querySelector('.stage').getBoundingClientRect(); return [r.x, r.y, r.width, r.height] })()"


@pytest.fixture(scope="module")
def recognizer(toy: Path) -> Recognizer:
    return Recognizer(toy, threads=1)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium to look at the page with (apt-get install chromium)")
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def page_of(recognizer: Recognizer, *results: PhotoResult, blur: bool = False) -> str:
    report = PhotosReport(len(results), blur)
    for result in results:
        report.add(result)
    return report.page("photos", recognizer).to_html()


def saved(folder: Path, page: str) -> Path:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


class Parsed(HTMLParser):
    """Elements with their attributes, and what stands in scripts that hold data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._in_data = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_data = tag == "script" and dict(attrs).get("type") == "application/json"

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data
            self._in_data = False


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_names_are_text_and_nothing_else(recognizer: Recognizer) -> None:
    page = page_of(recognizer, replace(crowd(3), source=NASTY))
    parsed = Parsed(page)
    assert json.loads(parsed.data)["scenes"][0]["name"] == Path(NASTY).name
    assert not [attributes for _, attributes in parsed.elements if any(name.startswith("on") for name in attributes)]
    usual = Parsed(page_of(recognizer, crowd(3)))
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in usual.elements]


def test_the_document_holds_what_results_hold(recognizer: Recognizer) -> None:
    result = crowd(30)
    (scene,) = json.loads(Parsed(page_of(recognizer, result)).data)["scenes"]
    assert [face["box"] for face in scene["faces"]] == [face["box"] for face in result.to_dict()["faces"]]
    assert [face["probabilities"] for face in scene["faces"]] == [
        face["probabilities"] for face in result.to_dict()["faces"]
    ]
    assert (scene["width"], scene["height"]) == (WIDTH, HEIGHT)


def test_large_photos_are_reduced_and_the_page_says_so(recognizer: Recognizer) -> None:
    large = replace(crowd(3), width=9000, height=60, picture=np.zeros((60, 9000, 3), np.uint8))
    page = page_of(recognizer, large)
    assert [max(picture.size) for picture in pictures(page)] == [largest_side(1)]
    assert f"reduced to {largest_side(1)} pixels" in page


def test_of_a_large_folder_the_fullest_photos_are_shown_and_the_rest_is_counted(recognizer: Recognizer) -> None:
    small = np.full((90, 160, 3), 70, np.uint8)
    results = [replace(crowd(1 + index % 40, f"{index:03d}.png"), picture=small) for index in range(60)]
    page = page_of(recognizer, *results)
    shown = json.loads(Parsed(page).data)["scenes"]
    assert len(shown) == MOST_PICTURES
    assert [scene["name"] for scene in shown] == sorted(scene["name"] for scene in shown)
    left = sorted((len(one.faces) for one in results), reverse=True)[:MOST_PICTURES]
    assert sorted((len(scene["faces"]) for scene in shown), reverse=True) == left
    assert f"the faces of {60 - MOST_PICTURES} others" in page


def test_blurred_pages_hold_no_picture(recognizer: Recognizer) -> None:
    page = page_of(recognizer, crowd(30), blur=True)
    assert pictures(page) == []
    assert "data:image" not in page
    assert len(json.loads(Parsed(page).data)["scenes"][0]["faces"]) == 30
    assert "No picture is shown" in page


def test_photos_without_faces_show_nothing(recognizer: Recognizer) -> None:
    page = page_of(recognizer, PhotoResult("a.png", 9, 9, (), count_group(()), info=recognizer.info))
    assert "data-viewer" not in page
    assert "<script" not in page


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_can_be_read_in_both_themes(recognizer: Recognizer, theme: int) -> None:
    block = re.findall(r":root\{([^}]*)\}", page_of(recognizer, crowd(3)))[theme]
    colours = {name: _long(value) for name, value in re.findall(r"--([a-z-]+):(#\w+)", block)}
    for ground in ("page", "card", "strip"):
        for ink in ("text", "soft", "accent"):
            assert contrast(colours[ink], colours[ground]) > 4.5, (ink, ground)
        assert contrast(colours["axis"], colours[ground]) > 3
    assert contrast(colours["text"], colours["warn"]) > 4.5


def _long(colour: str) -> str:
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])


@pytest.mark.parametrize("count", [3, 30, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_real_browser_shows_every_face(
    chromium: Browser, recognizer: Recognizer, tmp_path: Path, count: int, dark: bool
) -> None:
    page = saved(tmp_path, page_of(recognizer, crowd(count)))
    chromium.open(page, dark=dark)
    assert chromium.value(SHOWN) == count
    assert chromium.value("document.querySelector('.status').textContent") == f"{count} of {count} faces shown"
    picture = np.asarray(Image.open(chromium.shot(tmp_path / "shot.png")).convert("L"))
    assert (picture[-1, 0] < 60) == dark
    assert chromium.complaints == []
    assert chromium.requests == [page.as_uri()]


def test_by_keyboard_alone(chromium: Browser, recognizer: Recognizer, tmp_path: Path) -> None:
    chromium.open(saved(tmp_path, page_of(recognizer, crowd(30))))
    stops = []
    while "Face 0" not in (chromium.value(FACE) or ""):
        chromium.key("Tab")
        stops.append(chromium.value(FACE))
    assert len(stops) < 25
    chromium.key("ArrowRight")
    assert chromium.value(FACE).startswith("Face 1: fear, 70%, uncertain")
    assert chromium.value("document.querySelector('.detail h3').textContent") == "Face 1: fear"
    assert chromium.value("document.querySelectorAll('.detail .bars li').length") == 7
    chromium.key("ArrowDown")
    below = int(re.findall(r"\d+", chromium.value(FACE))[0])
    assert below > 5
    chromium.key("ArrowUp")
    assert chromium.value(FACE).startswith("Face 1:")
    chromium.key("Enter")
    x, _, width, _ = chromium.value(VIEW)
    assert width < WIDTH / 1.5
    assert chromium.value(FACE).startswith("Face 1:")
    chromium.key("ArrowRight", shift=True)
    assert chromium.value(VIEW)[0] > x
    chromium.key("+")
    assert chromium.value(VIEW)[2] < width
    chromium.key("0")
    assert chromium.value(VIEW) == [0, 0, WIDTH, HEIGHT]
    chromium.key("Tab")
    assert chromium.value("document.activeElement.closest('.faces') !== null")  # one stop for all faces
    assert chromium.value("document.querySelectorAll('.mark[tabindex=\"0\"]').length") == 1


def test_the_table_sorts_and_leads_to_the_face(chromium: Browser, recognizer: Recognizer, tmp_path: Path) -> None:
    results = [crowd(3, "a.png"), crowd(30, "b.png")]
    chromium.open(saved(tmp_path, page_of(recognizer, *results)))
    heights = "[...document.querySelectorAll('tbody tr')].map((row) => Number(row.cells[5].textContent))"
    for rising in (True, False):
        chromium.value("document.querySelector('button[data-key=size_px]').focus()")
        chromium.key("Enter")
        values = chromium.value(heights)
        assert values == sorted(values, reverse=not rising)
        assert len(values) == 33
    sort = chromium.value("document.querySelector('button[data-key=size_px]').parentElement.getAttribute('aria-sort')")
    assert sort == "descending"
    chromium.value("[...document.querySelectorAll('tbody button')].at(-1).focus()")
    target = chromium.value(FACE)
    chromium.key("Enter")
    assert chromium.value("document.activeElement.classList.contains('mark')")
    assert chromium.value(FACE) == target
    assert "b.png" in chromium.value("document.querySelector('.bar select').selectedOptions[0].textContent")


def test_filters_hide_faces_everywhere(chromium: Browser, recognizer: Recognizer, tmp_path: Path) -> None:
    result = crowd(30)
    chromium.open(saved(tmp_path, page_of(recognizer, result)))
    rows = "document.querySelectorAll('tbody tr').length"
    chromium.value("document.querySelector('select[name=judged]').focus()")
    chromium.key("c")  # certain
    chromium.until(f"{SHOWN} < 30")
    certain = sum(face.certain for face in result.faces)
    assert chromium.value(SHOWN) == chromium.value(rows) == certain
    chromium.value("document.querySelector('input[value=fear]').focus()")
    chromium.key(" ")
    fears = sum(face.certain and face.expression == "fear" for face in result.faces)
    assert chromium.value(SHOWN) == chromium.value(rows) == certain - fears
    chromium.value("document.querySelector('input[name=least]').focus()")
    chromium.key("9")
    chromium.key("9")
    chromium.key("9")
    assert chromium.value(SHOWN) == 0
    chromium.value("document.querySelector('button[type=reset]').click()")
    chromium.until(f"{SHOWN} === 30")


def test_by_mouse_and_by_touch(chromium: Browser, recognizer: Recognizer, tmp_path: Path) -> None:
    chromium.open(saved(tmp_path, page_of(recognizer, crowd(30))), height=1400)
    left, top, width, height = chromium.value(STAGE)
    x, y = left + width / 2, top + height / 2
    chromium.mouse("mouseWheel", x, y, deltaX=0, deltaY=-240)
    chromium.until(f"{VIEW}[2] < {WIDTH}")
    before = chromium.value(VIEW)
    for kind, along, buttons in (("mousePressed", 0, 1), ("mouseMoved", 60, 1), ("mouseReleased", 60, 0)):
        chromium.mouse(kind, x - along, y, button="left", buttons=buttons, clickCount=1)
    chromium.until(f"{VIEW}[0] > {before[0]} + 10")
    chromium.touch("touchStart", (x - 40, y), (x + 40, y))
    chromium.touch("touchMove", (x - 60, y), (x + 60, y))
    chromium.touch("touchMove", (x - 90, y), (x + 90, y))
    chromium.touch("touchEnd")
    chromium.until(f"{VIEW}[2] < {before[2]} / 1.5")
    chromium.mouse("mouseMoved", left + 5, top + 5)
    mark = "(() => { const r = document.querySelectorAll('.mark')[8].getBoundingClientRect(); return [r.x + 3, r.y + 3] })()"
    chromium.value("document.querySelector('.bar button:last-child').click()")
    chromium.until(f"{VIEW}[2] === {WIDTH}")
    chromium.mouse("mouseMoved", *chromium.value(mark))
    chromium.until("document.querySelector('.detail canvas') !== null")


def test_without_scripts_photo_table_and_charts_are_read(
    chromium: Browser, recognizer: Recognizer, tmp_path: Path
) -> None:
    chromium.open(saved(tmp_path, page_of(recognizer, crowd(30))), script=False)
    document = chromium.call("DOM.getDocument", depth=0)["root"]["nodeId"]

    def count(selector: str) -> int:
        return len(chromium.call("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert (count("tbody tr"), count("figure.still img"), count(".mark")) == (30, 1, 0)
    assert count("svg.chart") == 2


def test_a_nasty_name_runs_nothing(chromium: Browser, recognizer: Recognizer, tmp_path: Path) -> None:
    results = [replace(crowd(3), source=NASTY), crowd(3)]
    chromium.open(saved(tmp_path, page_of(recognizer, *results)))
    assert chromium.value("document.querySelector('td').textContent") == Path(NASTY).name
    assert chromium.value("document.querySelectorAll('img').length") == 0
    assert chromium.complaints == []
