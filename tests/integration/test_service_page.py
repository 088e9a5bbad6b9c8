"""The page as a visitor uses it: a real service, a real browser, and nothing on the disk afterwards."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from fsrfer.cli.demo import bundled_portrait
from support.browser import CHROMIUM, Browser, browser
from support.served import Served, served
from support.uploads import TOKEN

PEOPLE = 6
READY = "!document.querySelector('#input').hidden"
TOLD = "document.querySelector('#mood')?.textContent ?? ''"
MARKS = "document.querySelectorAll('#faces .mark').length"
STATE = "document.querySelector('#shrink .state').textContent"
PROBLEM = "document.querySelector('#problem').hidden ? '' : document.querySelector('#problem').textContent"
FOCUS_SEEN = (
    "document.activeElement.matches('.mark') || getComputedStyle(document.activeElement).outlineStyle !== 'none'"
)
SCROLLS = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait six times side by side, as a photo and as what a camera sees; a file that is no picture; a large photo."""
    folder = tmp_path_factory.mktemp("pictures")
    face = Image.open(bundled_portrait()).convert("RGB").crop((100, 40, 420, 440)).resize((96, 120))
    crowd = Image.new("RGB", (640, 360), (90, 110, 130))
    for index in range(PEOPLE):
        crowd.paste(face, (40 + 200 * (index % 3), 30 + 170 * (index // 3)))
    crowd.save(folder / "crowd.jpg", quality=95)
    crowd.resize((320, 180)).save(folder / "camera.mjpeg", "JPEG")
    Image.new("L", (1500, 1500)).save(folder / "large.png")
    (folder / "notes.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with served(folder, model=str(toy), max_pixels=2_000_000) as running:
        yield running
        assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium to look at the page with (apt-get install chromium)")
    camera = f"--use-file-for-fake-video-capture={pictures / 'camera.mjpeg'}"
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", camera)
    with browser(tmp_path_factory.mktemp("profile"), *flags) as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, service: Served) -> Iterator[Browser]:
    """The page, newly opened at a phone's width; it never asks another place, and its console stays empty."""
    chromium.open(f"{service.url}/", width=360, height=740)
    chromium.until(READY)
    yield chromium
    assert [one for one in chromium.requests if not one.startswith((service.url, f"blob:{service.url}"))] == []
    assert [one for one in chromium.complaints if "Failed to load resource" not in one] == []


def shown(page: Browser, picture: Path) -> None:
    """Choose a photo, and wait for the answer."""
    page.choose("#file", picture)
    page.until(f"{TOLD} !== ''")


def shrink(page: Browser, steps: int) -> str:
    """Move the slider by so many keys; what is then said."""
    before = page.value("document.querySelector('#shrink .result').firstChild")
    assert before is None
    page.value("document.querySelector('#size').focus()")
    for _ in range(steps):
        page.key("ArrowLeft")
    page.until("document.querySelector('#shrink .result').hasChildNodes()")
    return str(page.value(STATE))


def test_a_photo_is_answered_and_shrinks(page: Browser, pictures: Path) -> None:
    shown(page, pictures / "crowd.jpg")
    assert page.value(TOLD).startswith("Mixed: ")
    assert "of 6 faces look" in page.value("document.querySelector('#heard').textContent")
    assert page.value(MARKS) == PEOPLE
    assert page.value("document.querySelectorAll('#told .whisker').length") == 7
    asked = len(page.requests)
    kept = re.match(r"(\d) of 6 faces kept their expression", shrink(page, 2))
    assert kept and int(kept[1]) >= PEOPLE // 2
    assert len([one for one in page.requests[asked:] if one.endswith("/v1/predict")]) == 1  # the last size alone
    assert page.value("document.querySelectorAll('#shrink .tiles li').length") == PEOPLE
    assert "180 pixels (50%)" in page.value("document.querySelector('#shrink output').textContent")
    page.key("Home")
    page.until(f"{STATE}.includes('not found any more')")
    assert page.value("document.querySelectorAll('#shrink .tiles .lost').length") > 0
    assert page.value(SCROLLS) <= 0
    assert page.complaints == []


def test_only_the_group_means_no_face(page: Browser, pictures: Path) -> None:
    shown(page, pictures / "crowd.jpg")
    assert page.value(MARKS) == PEOPLE
    page.value("document.querySelector('#aggregate').focus()")
    page.key(" ")
    page.until("document.querySelector('#faces').hidden")
    assert page.value(TOLD).startswith("Mixed: ")
    assert page.value("document.querySelectorAll('#faces .mark, #faces image, main img, main canvas').length") == 0
    shrink(page, 2)
    assert page.value("document.querySelectorAll('main canvas, main image, #shrink .tiles').length") == 0
    assert page.value("document.querySelectorAll('#shrink .groups tbody tr').length") == 7
    assert page.requests[-1].endswith("?aggregate_only=true")


def test_dropped_or_pasted_photos_are_taken(page: Browser, pictures: Path) -> None:
    for kind, holder, name in (("drop", "DragEvent", "dataTransfer"), ("paste", "ClipboardEvent", "clipboardData")):
        page.value(f"""(async () => {{
            const canvas = document.createElement("canvas");
            const blob = await new Promise((done) => canvas.toBlob(done));
            const files = new DataTransfer();
            files.items.add(new File([blob], "blank.png", {{ type: "image/png" }}));
            document.body.dispatchEvent(new {holder}("{kind}", {{ {name}: files, bubbles: true, cancelable: true }}));
        }})()""")
        page.until(f"{TOLD} === 'No face was found'")
        page.value("document.querySelector('#told').replaceChildren()")


def test_errors_are_told_in_words(page: Browser, pictures: Path) -> None:
    page.choose("#file", pictures / "notes.png")
    page.until(f"({PROBLEM}).startsWith('This is not a picture')")
    asked = len(page.requests)
    page.choose("#file", pictures / "large.png")
    page.until(f"({PROBLEM}).includes('megapixels; the service takes up to 2')")
    assert [one for one in page.requests[asked:] if "/v1/" in one] == []  # known before anything is sent
    page.value("document.querySelector('#problem button').focus()")
    page.key("Enter")
    page.until(f"{TOLD} === 'No face was found'")
    # A service that is busy is asked again when it says.
    page.value("""{
        const real = window.fetch;
        const busy = { type: "urn:fsrfer:problem:full", detail: "full" };
        window.fetch = async () => {
            window.fetch = real;
            return new Response(JSON.stringify(busy), { status: 503, headers: { "Retry-After": "1" } });
        };
    }""")
    page.choose("#file", pictures / "crowd.jpg")
    page.until(f"({PROBLEM}) === 'The service is busy. It is asked again in 1 s. '")
    page.until(f"({TOLD}).startsWith('Mixed: ')")
    assert page.value(PROBLEM) == ""


def share(value: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


GROUP = {"faces": 20, "counted": 20, "valence": None}
CLEAR = {"happiness": share(0.8, 0.7, 0.9), "neutral": share(0.2, 0.1, 0.3)}
LEADING = {"happiness": share(0.4, 0.35, 0.48), "neutral": share(0.3, 0.2, 0.34), "anger": share(0.3, 0.2, 0.34)}
CLOSE = {"happiness": share(0.5, 0.3, 0.7), "neutral": share(0.5, 0.3, 0.7), "anger": share(0.0, 0.0, 0.1)}


def face(expression: str, certain: bool = True) -> dict[str, object]:
    return {"expression": expression, "probability": 0.9, "certain": certain, "too_small": False}


@pytest.mark.parametrize(
    ("photo", "title"),
    [
        ({"estimate": None}, "Too few people to tell"),
        ({"estimate": {"faces": 0}}, "No face was found"),
        ({"estimate": {"faces": 3, "counted": 0}}, "Too small to tell"),
        ({"estimate": {**GROUP, "shares": CLEAR}}, "Most look happy"),
        ({"estimate": {**GROUP, "shares": LEADING}}, "More look happy than anything else"),
        ({"estimate": {**GROUP, "shares": CLOSE}}, "Mixed: happy or neutral"),
        ({"faces": [face("anger")]}, "Looks angry"),
        ({"faces": [face("anger", False)]}, "Hard to tell, perhaps angry"),
        ({"faces": [face("fear")] * 2}, "All 2 look afraid"),
        ({"faces": [face("fear"), face("fear"), face("anger", False)]}, "2 of 3 look afraid"),
        ({"faces": [face("fear"), face("anger"), face("anger", False)]}, "Mixed: afraid or angry"),
        ({"faces": [face("fear", False), face("anger", False)]}, "Hard to tell"),
        ({"faces": None}, "Probably mostly sad"),
    ],
)
def test_moods_are_said_in_plain_words(chromium: Browser, service: Served, photo: dict, title: str) -> None:
    if not chromium.value(f"location.origin === '{service.url}' && 'words' in window"):
        chromium.open(f"{service.url}/")
        chromium.value("void import('./page/words.js').then((words) => { window.words = words; })")
        chromium.until("'words' in window")
    faces = photo.get("faces") or [face("sadness")]
    few = {"faces": len(faces), "counted": len(faces), "shares": {"sadness": share(0.6), "neutral": share(0.4)}}
    told = chromium.value(f"words.mood({json.dumps({'estimate': few, 'faces': None, **photo})}, 5)")
    assert told["title"] == title
    assert told["sure"] == title.startswith(("Most", "More", "Looks", "All", "2 of 3"))


def test_by_keyboard_alone(page: Browser, pictures: Path) -> None:
    stops = []
    for _ in range(4):
        page.key("Tab")
        stops.append(page.value("document.activeElement.textContent || document.activeElement.id"))
    assert stops == ["Skip to the answer", "Choose a photo", "Use the camera", "aggregate"]
    page.value(
        "document.querySelector('#file').addEventListener('click', (one) => { one.preventDefault(); window.asked = 1; })"
    )
    page.value("document.querySelector('#choose').focus()")
    page.key("Enter")
    assert page.value("window.asked") == 1
    shown(page, pictures / "crowd.jpg")
    names = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"
    reached = []
    while "size" not in reached and len(reached) < 60:
        page.key("Tab")
        reached.append(page.value(names))
        assert page.value(FOCUS_SEEN), reached
    assert "size" in reached
    assert any(name.startswith("Face 0: ") for name in reached)


def test_the_camera_gives_stills_and_is_followed(page: Browser) -> None:
    page.value("document.querySelector('#camera-open').focus()")
    page.key("Enter")
    page.until("document.querySelector('#camera video').videoWidth > 0")
    page.value("document.querySelector('[data-act=live]').focus()")
    page.key("Enter")
    page.until(f"document.querySelectorAll('#camera svg path').length === {2 * PEOPLE}")
    assert page.value("document.querySelector('#camera .glance').textContent") == "Unclear"
    page.value("document.querySelector('#aggregate').click()")
    page.until("document.querySelectorAll('#camera svg path').length === 0")
    page.value("document.querySelector('#aggregate').click()")
    page.value("document.querySelector('[data-act=still]').click()")
    page.until(f"{TOLD} !== ''")
    assert page.value(MARKS) == PEOPLE
    assert page.value("document.querySelector('#camera').hidden")


def test_pages_without_a_camera_say_why(chromium: Browser, service: Served) -> None:
    hide = "Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined })"
    added = chromium.call("Page.addScriptToEvaluateOnNewDocument", source=hide)["identifier"]
    chromium.open(f"{service.url}/")
    chromium.until(READY)
    chromium.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)
    assert chromium.value("document.querySelector('#camera-open').hidden && !document.querySelector('#snap').hidden")
    assert chromium.value("document.querySelector('#snap-file').getAttribute('capture')") == "environment"
    assert "Take a photo" in chromium.value("document.querySelector('#no-camera').textContent")


def test_without_scripts_the_page_says_what_to_do(chromium: Browser, service: Served) -> None:
    chromium.open(f"{service.url}/", script=False)
    root = chromium.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    note = chromium.call("DOM.querySelector", nodeId=root, selector="noscript section")["nodeId"]
    assert "curl -F" in chromium.call("DOM.getOuterHTML", nodeId=note)["outerHTML"]


def test_where_the_service_tells_of_groups_alone_there_is_no_switch(
    chromium: Browser, tmp_path: Path, toy: Path, pictures: Path
) -> None:
    folder = tmp_path / "served"
    with served(folder, model=str(toy), token=TOKEN, aggregate_only=True, min_group=7) as service:
        chromium.open(f"{service.url}/")
        chromium.until("document.activeElement.id === 'token-field'")
        for letter in TOKEN[:-1] + "x":
            chromium.key(letter)
        chromium.key("Enter")
        chromium.until(f'({PROBLEM}).startsWith("The token is not the service\'s")')
        for letter in TOKEN:
            chromium.key(letter)
        chromium.key("Enter")
        chromium.until(READY)
        assert chromium.value("document.querySelector('#aggregate-switch').hidden")
        assert "fewer than 7 people" in chromium.value("document.querySelector('#aggregate-always').textContent")
        shown(chromium, pictures / "crowd.jpg")
        assert chromium.value(TOLD) == "Too few people to tell"
        assert chromium.value("document.querySelectorAll('main image, main canvas, .mark').length") == 0
        chromium.value("document.querySelector('#camera-open').click()")
        chromium.until("document.querySelector('#camera video').videoWidth > 0")
        chromium.value("document.querySelector('[data-act=live]').click()")
        chromium.until(
            "document.querySelector('#camera .glance').textContent === 'Fewer than 7 people: nothing is told'"
        )
        assert chromium.value("document.querySelectorAll('#camera svg path').length") == 0
        assert list(folder.iterdir()) == []
