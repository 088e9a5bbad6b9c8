"""What a worker answers, and what it can no longer do."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fsrfer.serving import wire
from fsrfer.serving.worker import Looker, WorkerPlan, serve
from support.uploads import as_file, noise

PLAN = WorkerPlan("default", size=28, margin=0.1, colour="grey", max_pixels=100_000, seconds=5)


@pytest.fixture(scope="module")
def looker() -> Looker:
    return Looker(PLAN)


def test_crops_have_the_recognisers_size(looker: Looker) -> None:
    reply = looker.answer(wire.Message({"task": "crop"}, [as_file(noise(90, 60))]))
    assert (reply.fields["width"], reply.fields["height"]) == (60, 90)
    assert wire.greys(reply.blobs[0], 28, 28).shape == (28, 28)


def test_faces_come_with_their_crops(looker: Looker, portrait: bytes) -> None:
    reply = Looker(WorkerPlan("default", 28, 0.1, "rgb", 10**6, 5)).answer(wire.Message({"task": "faces"}, [portrait]))
    count = reply.fields["faces"]
    assert count >= 1
    assert wire.floats(reply.blobs[0], count, 4).min() >= 0
    assert wire.greys(reply.blobs[3], count, 28, 28, 3).std() > 0
    assert reply.fields["cut_off"] == [False] * count


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (as_file(noise(400, 400)), "too large"),
        (as_file(noise(40, 40))[:100], "unreadable"),
        (b"%PDF-1.7", "unreadable"),
    ],
)
def test_what_cannot_be_looked_at_is_said(looker: Looker, data: bytes, error: str) -> None:
    assert looker.answer(wire.Message({"task": "faces"}, [data])).fields["error"] == error


def test_a_worker_answers_until_its_input_ends(looker: Looker) -> None:
    asked, told = io.BytesIO(), io.BytesIO()
    for _ in range(2):
        wire.write(asked, wire.Message({"task": "crop"}, [as_file(noise(9, 9))]))
    asked.seek(0)
    serve(looker, asked, told, 5)
    told.seek(0)
    assert wire.read(told) == wire.Message({"ready": True})
    assert [wire.read(told).fields for _ in range(2)] == [{"width": 9, "height": 9}] * 2
    assert wire.read(told) is None


def test_frames_arrive_as_they_were_sent() -> None:
    stream = io.BytesIO()
    wire.write(stream, wire.Message({"a": [1]}, [b"", b"xyz"]))
    stream.seek(0)
    assert wire.read(stream) == wire.Message({"a": [1]}, (b"", b"xyz"))


@pytest.mark.parametrize(
    "frame", [b"\xff" * 12, b"\0\0\0\2" + bytes(8) + b"[]", b"\0\0\0\x1c" + bytes(8) + b'{"fields": {}, "sizes": [1]}']
)
def test_frames_of_strangers_are_refused(frame: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.read(io.BytesIO(frame))


def test_arrays_of_another_size_are_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.floats(np.zeros(7, np.float32).tobytes(), 2, 4)


def test_a_worker_can_write_no_file_and_take_no_more_memory_than_it_may(tmp_path: Path) -> None:
    code = f"""
from fsrfer.serving.worker import restrict
restrict(2**27)
try:
    bytearray(2**28)
except MemoryError:
    print("memory")
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open({str(tmp_path / "x")!r}, "wb", buffering=0) as file:
        file.write(b"x")
except OSError:
    print("file")
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems limit other things")
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert told.stdout.split() == ["memory", "file"]
