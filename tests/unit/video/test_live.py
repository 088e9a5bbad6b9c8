import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fsrfer.errors import InputError

pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")

from fsrfer.video import live, opening
from fsrfer.video.live import Arrived, GivenUp, Happening, LiveSource, Lost, Returned
from fsrfer.video.newest import Newest
from support.clips import write_clip
from support.live_server import streaming

SEEN = 30.0
"""Seconds that a machine under load may take."""


def clip(folder: Path, width: int = 64, name: str = "a.ts") -> Path:
    """A second of ten pictures, each brighter than the last."""
    frames = [np.full((48, width, 3), 20 * index, np.uint8) for index in range(10)]
    return write_clip(folder / name, frames)


def happenings(source: LiveSource) -> list[Happening]:
    """What happened until the source was given up."""
    told: list[Happening] = []
    deadline = time.monotonic() + SEEN
    while time.monotonic() < deadline and not (told and isinstance(told[-1], GivenUp)):
        came = source.take(0.1)
        if came is not None and not isinstance(came, tuple):
            told.append(came)
    return told


def first_frame(source: LiveSource) -> Arrived:
    came = source.take(SEEN)
    assert isinstance(came, tuple)
    return came[0]


def test_the_newest_item_takes_the_place_of_those_before() -> None:
    newest: Newest[str, int] = Newest()
    assert newest.take(0) is None
    for item in "abcd":
        newest.put(item)
    assert newest.take(0) == ("d", 3)
    newest.put("e", wanted=False)
    assert newest.take(0) is None
    newest.put("f")
    newest.put("g", wanted=False)
    assert newest.take(0) == ("g", 0)


def test_what_happened_keeps_its_place() -> None:
    newest: Newest[str, int] = Newest()
    newest.put("a")
    newest.tell(1)
    newest.put("b", wanted=False)
    newest.tell(2)
    newest.put("c")
    assert [newest.take(0) for _ in range(5)] == [("a", 0), 1, 2, ("c", 0), None]


def test_an_error_of_the_reader_is_raised_where_items_are_taken() -> None:
    newest: Newest[str, int] = Newest()
    newest.put("a")
    newest.fail(InputError("broken"))
    for _ in range(2):
        with pytest.raises(InputError, match="broken"):
            newest.take(0)


def test_whoever_waits_is_woken() -> None:
    newest: Newest[str, int] = Newest()
    threading.Timer(0.05, newest.put, ["a"]).start()
    assert newest.take(SEEN) == ("a", 0)


def test_a_stream_that_dies_comes_back_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.2)
    paths = [clip(tmp_path), None, clip(tmp_path, 96, "b.ts")]
    with streaming(paths) as streams, LiveSource(streams.address, 0.0, give_up=2) as source:
        assert first_frame(source).rgb().shape == (48, 64, 3)
        lost, returned, again, given_up = happenings(source)
        assert isinstance(lost, Lost)
        assert isinstance(returned, Returned)
        assert (returned.attempts, returned.width, returned.height, returned.resized) == (2, 96, 48, True)
        assert returned.seconds > 0.6
        assert isinstance(again, Lost)
        assert isinstance(given_up, GivenUp)
        assert "503" in given_up.reason or "Server" in given_up.reason
        assert lost.time <= returned.time <= again.time <= given_up.time
    assert source.ending.holes == pytest.approx(returned.seconds + given_up.seconds, abs=0.5)


def test_a_slow_reader_gets_the_newest_frame(tmp_path: Path) -> None:
    with streaming([clip(tmp_path)], hang=SEEN) as streams, LiveSource(streams.address, 0.0) as source:
        time.sleep(3)  # the clip has come in the meantime
        came = source.take(0)
        assert isinstance(came, tuple)
        frame, missed = came
        assert missed >= 7
        assert frame.rgb().mean() > 120  # one of the last
        assert source.take(0) is None


def test_looks_are_due_as_often_as_asked(tmp_path: Path) -> None:
    with streaming([clip(tmp_path)], seconds=2) as streams, LiveSource(streams.address, 0.5, give_up=0.1) as source:
        times = []
        while not isinstance(came := source.take(SEEN), GivenUp):
            times += [came[0].time] if isinstance(came, tuple) else []
    assert 2 <= len(times) <= 5
    assert all(gap >= 0.2 for gap in np.diff(times))


def test_silence_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LIVE_TIMEOUT", 0.5)
    with (
        streaming([clip(tmp_path)], seconds=0.5, hang=SEEN) as streams,
        LiveSource(streams.address, 0.0, give_up=0.1) as source,
    ):
        lost, _ = happenings(source)
        assert isinstance(lost, Lost)
        assert "reading failed" in lost.reason


def test_what_is_no_live_source_is_refused_at_once(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(InputError, match="not a live source"):
        LiveSource(str(clip(tmp_path)), 0.0)
    with pytest.raises(InputError, match="cannot be opened"):
        LiveSource("http://127.0.0.1:9/hall", 0.0)
    assert threading.active_count() == before


def test_closing_ends_a_pause_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_PAUSE", 3 * SEEN)
    with streaming([clip(tmp_path)], seconds=0.2) as streams:
        source = LiveSource(streams.address, 0.0)
        while not isinstance(source.take(SEEN), Lost):
            pass
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < SEEN
        assert source.ending.holes > 0
