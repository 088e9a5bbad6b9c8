import io

from rich.console import Console

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.live_panel import LivePanel, Watching, panel
from fsrfer.types import Group, GroupEstimate, Share


def shown(watching: Watching) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(panel(watching))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def estimate(low: float | None = None, high: float | None = None) -> GroupEstimate:
    shares = {name: Share(0.5 if name == "happiness" else 1 / 12, low, high) for name in EXPRESSIONS}
    return GroupEstimate(20, 19, 1, 3, shares, Share(0.2, low, high), True)


def test_before_the_first_window_is_over() -> None:
    text = shown(Watching("rtsp://10.0.0.7/hall"))
    assert "rtsp://10.0.0.7/hall" in text
    assert "not over yet" in text
    assert "faces" not in text


def test_the_bars_and_the_pace() -> None:
    nobody = dict.fromkeys(EXPRESSIONS, 0.0)
    watching = Watching(
        "0", 65, per_second=4.9, latency=0.123, passed_over=3, lost=12, faces=Group(21, 4, 1, nobody, nobody)
    )
    watching.window, watching.estimate = (60.0, 65.0), estimate(0.41, 0.62)
    text = shown(watching)
    for part in ("4.9 frames/s", "123 ms late", "3 passed over", "0:12 lost", "21 faces now, 4 uncertain, 1 too small"):
        assert part in text
    assert "1:00 to 1:05: 19 faces" in text
    (line,) = (line for line in text.splitlines() if "happiness" in line)
    assert "50%" in line
    assert "41% to 62%" in line
    watching.estimate = estimate()
    assert "too few for intervals" in shown(watching)


def test_what_is_withheld_is_not_shown() -> None:
    watching = Watching("0", 65, window=(60.0, 65.0), least=10)
    text = shown(watching)
    assert "fewer than 10 faces, nothing is reported" in text
    assert not any(name in text for name in EXPRESSIONS)


def test_a_loss_is_shown_at_once() -> None:
    assert "lost for 0:07; trying again" in shown(Watching("0", 65, lost_for=7))


def test_nothing_in_a_name_reaches_the_terminal() -> None:
    assert "\x1b" not in shown(Watching("rtsp://h/\x1b[2J"))


def test_it_is_drawn_a_few_times_a_second() -> None:
    moments = iter([0.0, 0.0, 0.1, 0.3, 0.3])
    with LivePanel(Watching("0"), lambda: next(moments)) as live:
        for _ in range(3):
            live.draw()
    assert next(moments, None) is None
