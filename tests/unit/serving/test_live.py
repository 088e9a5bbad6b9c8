"""Live frames: faces followed, the newest frame only, strangers kept out."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from fsrfer.serving.app import guarded
from fsrfer.serving.live import LARGEST_FRAME
from fsrfer.serving.service import Service
from support.uploads import TOKEN, as_file, noise

FRAME = as_file(noise(60, 80), "JPEG")
SHOWN = {"token": TOKEN}


@pytest.fixture(scope="module")
def service(service: Service) -> Service:
    """The same, with one session and aggregates for none."""
    return Service(replace(service.settings, live_sessions=1))


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(guarded(service), base_url="http://localhost") as client:
        yield client


def test_faces_are_followed(client: TestClient, portrait: bytes) -> None:
    with client.websocket_connect("ws://localhost/v1/live") as socket:
        socket.send_json(SHOWN)
        assert socket.receive_json()["ready"]
        told = []
        for _ in range(2):
            socket.send_bytes(portrait)
            told.append(socket.receive_json())
    assert [one["frame"] for one in told] == [1, 2]
    assert told[0]["time"] < told[1]["time"]
    tracks = [[face["track"] for face in one["faces"]] for one in told]
    assert tracks[0] == tracks[1] != []
    assert told[0]["group"]["faces"] == len(tracks[0])
    assert (told[0]["width"], told[0]["height"]) == (640, 478)


def test_a_frame_that_cannot_be_read_costs_itself_alone(client: TestClient) -> None:
    with client.websocket_connect("ws://localhost/v1/live", headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        socket.receive_json()
        for frame, wrong in ((FRAME[:200], True), (b"no picture", True), (FRAME, False)):
            socket.send_bytes(frame)
            assert ("error" in socket.receive_json()) == wrong


def test_frames_that_cannot_be_looked_at_in_time_are_passed_over(client: TestClient, service: Service) -> None:
    with client.websocket_connect("ws://localhost/v1/live") as socket:
        socket.send_json(SHOWN)
        socket.receive_json()
        (worker,) = service.pool.pids
        os.kill(worker, signal.SIGSTOP)
        for _ in range(10):
            socket.send_bytes(FRAME)
        time.sleep(0.3)
        os.kill(worker, signal.SIGCONT)
        told = [socket.receive_json() for _ in range(2)]
    assert told[1]["frame"] == 10
    assert told[1]["skipped"] == 10 - 2


def closed_with(client: TestClient, *messages: object, **more: object) -> int:
    """The code that a session is closed with."""
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("ws://localhost/v1/live", **more) as socket,
    ):
        for message in messages:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            else:
                socket.send_json(message)
        while True:
            socket.receive_json()
    return closed.value.code


@pytest.mark.parametrize("message", [{"token": "wrong"}, {"token": 5}, {}, [], FRAME])
def test_without_the_token_a_session_is_closed(client: TestClient, message: object) -> None:
    assert closed_with(client, message) == 1008


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
def test_pages_of_others_open_no_session(client: TestClient, headers: dict[str, str]) -> None:
    assert closed_with(client, SHOWN, headers=headers) == 1008


@pytest.mark.parametrize("message", [{"not": "a frame"}, bytes(LARGEST_FRAME + 1)])
def test_what_is_no_frame_closes_the_session(client: TestClient, message: object) -> None:
    assert closed_with(client, SHOWN, message) == 1003


def test_there_are_so_many_sessions(client: TestClient) -> None:
    with client.websocket_connect("ws://localhost/v1/live") as socket:
        socket.send_json(SHOWN)
        socket.receive_json()
        assert closed_with(client, SHOWN) == 1013
    assert closed_with(client, SHOWN, {}) == 1003
