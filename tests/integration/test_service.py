"""The service as a process, among clients that are slow, many, gone or hostile."""

import json
import os
import re
import signal
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.served import CLIENT, Served, served
from support.uploads import as_file, noise

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked at by /proc")

PICTURE = as_file(noise(60, 80), "JPEG")
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    limits = {"head_seconds": 0.5, "upload_seconds": 1.0, "picture_seconds": 1.0, "queue": 4, "max_upload": 2_000_000}
    with served(folder, model=str(toy), **limits) as running:
        yield running
        assert list(folder.iterdir()) == []


def post(service: Served) -> httpx2.Response:
    return CLIENT.post(f"{service.url}/v1/predict", content=PICTURE)


def answer_to(service: Served, *parts: bytes, pause: float = 0.0) -> bytes:
    """All that is answered to some bytes until the connection is closed."""
    with service.connect() as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        told = b""
        while piece := connection.recv(65536):
            told += piece
        return told


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("beginning", [b"", b"GET /healthz HTTP/1.1\r\nHost: local", HEAD])
def test_a_connection_without_a_whole_head_is_closed(service: Served, beginning: bytes) -> None:
    assert is_closed_after(service, beginning)


def test_the_second_head_has_its_time_too(service: Served) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert is_closed_after(service, whole + whole[:20])


def test_a_body_that_nobody_reads_is_not_waited_for(service: Served) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with service.connect(60) as connection:
        connection.sendall(whole)
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 60:
                connection.sendall(b"x")  # just often enough to look alive
                time.sleep(0.1)
        assert time.monotonic() - began < 30, "as long as the sender liked; a busy machine closes late"


def is_closed_after(service: Served, sent: bytes) -> bool:
    """Whether the service closes a connection well before anybody else would."""
    with service.connect(30) as connection:
        connection.sendall(sent)
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
    return True


def test_a_body_that_trickles_is_refused(service: Served) -> None:
    told = answer_to(service, HEAD + b"Content-Length: 100\r\n\r\n", b"\xff", pause=0.1)
    assert told.startswith(b"HTTP/1.1 408")
    assert until(lambda: service.figure("fsrfer_requests_under_way") == 0)
    assert service.figure("fsrfer_upload_bytes_held") == 0


def test_a_body_too_large_by_its_head_is_refused_before_it_comes(service: Served) -> None:
    told = answer_to(service, HEAD + b"Content-Length: 99999999999\r\n\r\n", b"\xff\xd8\xff")
    assert told.startswith(b"HTTP/1.1 413")


def test_a_body_too_large_by_its_chunks_is_refused(service: Served) -> None:
    chunks = [b"10000\r\n" + bytes(0x10000) + b"\r\n"] * 40
    told = answer_to(service, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    assert told.startswith(b"HTTP/1.1 413")


def test_a_head_without_end_is_refused(service: Served) -> None:
    told = answer_to(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000)
    assert told.startswith(b"HTTP/1.1 4")


def test_those_beyond_the_queue_are_told_when_to_try_again(service: Served) -> None:
    with ThreadPoolExecutor(40) as clients:
        answers = list(clients.map(lambda _: post(service), range(40)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 4
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert post(service).status_code == 200


def test_a_client_that_vanishes_costs_no_place(service: Served) -> None:
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    for _ in range(8):
        with service.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
    assert until(lambda: service.figure("fsrfer_requests_under_way") == 0, 0.9)
    os.kill(worker, signal.SIGCONT)
    assert until(lambda: post(service).status_code == 200)


def test_a_picture_that_hangs_its_decoder_costs_one_request(service: Served) -> None:
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    assert post(service).status_code == 422
    assert until(lambda: post(service).status_code == 200)
    assert service.workers() != [worker]


def test_a_picture_that_kills_its_decoder_costs_one_request(service: Served) -> None:
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(post, service)
        assert until(lambda: service.figure("fsrfer_requests_under_way") == 1)
        os.kill(worker, signal.SIGKILL)
        assert asked.result().status_code == 422
    assert until(lambda: post(service).status_code == 200)


def test_a_decoder_that_dies_while_it_is_idle_costs_no_request(service: Served) -> None:
    (worker,) = service.workers()
    lost = service.figure("fsrfer_workers_lost")
    os.kill(worker, signal.SIGKILL)
    assert until(lambda: service.workers() not in ([], [worker]))
    assert post(service).status_code == 200
    assert service.figure("fsrfer_workers_lost") == lost


def test_the_client_of_the_guide_works(service: Served, photos: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    client: dict[str, Any] = {"__name__": "client"}
    exec(compile(code, "serve.md", "exec", dont_inherit=True), client)
    with Image.open(photos / "grey_one_face.jpg") as photo:
        portrait = as_file(np.asarray(photo.convert("RGB").resize((640, 478))))
    (face, *_) = client["predict"](portrait, service.url)
    assert len(face.box) == 4
    assert 0 < face.probability <= 1
    with pytest.raises(urllib.error.HTTPError) as refused:
        client["predict"](b"no picture", service.url)
    assert refused.value.code == 415


def test_live_frames_are_answered_to_the_pages_of_the_service_alone(service: Served) -> None:
    address = service.url.replace("http", "ws") + "/v1/live"
    with connect(address, origin=service.url, compression=None) as socket:
        assert json.loads(socket.recv())["ready"]
        socket.send(PICTURE)
        assert json.loads(socket.recv(timeout=20))["frame"] == 1
        with pytest.raises(ConnectionClosed) as closed:
            socket.send(bytes(2**21))
            socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    with pytest.raises(InvalidStatus), connect(address, origin="https://evil.example"):
        pass


def test_a_stopped_service_ends_what_it_has_begun(tmp_path: Path, toy: Path) -> None:
    with served(tmp_path / "home", model=str(toy)) as service:
        workers = service.workers()
        os.kill(workers[0], signal.SIGSTOP)
        live = connect(service.url.replace("http", "ws") + "/v1/live")
        with ThreadPoolExecutor(1) as client, service.connect() as unfinished, live:
            asked = client.submit(post, service)
            unfinished.sendall(HEAD + b"Content-Length: 100\r\n\r\n")
            assert until(lambda: service.figure("fsrfer_requests_under_way") == 2)
            service.process.send_signal(signal.SIGTERM)
            assert until(lambda: not listens(service))
            os.kill(workers[0], signal.SIGCONT)
            assert asked.result().status_code == 200
        assert service.process.wait(timeout=20) == 0
        assert until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def listens(service: Served) -> bool:
    try:
        service.connect(1).close()
    except (TimeoutError, ConnectionRefusedError):
        return False
    return True
