"""Videos as jobs: watched, asked for, removed; nothing of them is left."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from fsrfer.serving.app import guarded
from fsrfer.serving.service import Service
from fsrfer.serving.settings import ServiceSettings
from support.clips import write_clip
from support.uploads import noise


@pytest.fixture(scope="module")
def service(toy: Path) -> Service:
    return Service(ServiceSettings(model=toy, workers=1, max_video=300_000, videos=2, longest_video=5, keep_seconds=1))


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(guarded(service), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five frames, half a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, [np.roll(noise(48, 64), shift, axis=1) for shift in range(5)])
    return path.read_bytes()


def ended(client: TestClient, answer: httpx2.Response) -> dict[str, Any]:
    """How a job ended."""
    assert answer.status_code == 202
    for _ in range(600):
        told = client.get(answer.headers["Location"]).json()
        if told["status"] in ("done", "failed"):
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_a_video_is_a_job_whose_result_is_the_summary(client: TestClient, clip: bytes) -> None:
    answer = client.post("/v1/video?every=0.1", files={"video": ("hall.mp4", clip)})
    assert answer.json()["status"] == "waiting"
    told = ended(client, answer)
    assert (told["status"], told["error"]) == ("done", None)
    summary = told["summary"]
    assert (summary["source"], summary["bytes"], summary["complete"]) == ("hall.mp4", len(clip), True)
    assert summary["frames"] >= 2
    assert (told["frames"], told["read_to"]) == (summary["frames"], summary["read_to"])
    assert "/proc/" not in json.dumps(told)
    assert client.delete(answer.headers["Location"]).status_code == 204
    assert client.get(answer.headers["Location"]).status_code == 404


def test_what_names_other_files_is_no_video(client: TestClient) -> None:
    data = b"ffconcat version 1.0\nfile /etc/passwd\n"
    told = ended(client, client.post("/v1/video", content=data, headers={"Content-Type": "video/mp4"}))
    assert told["status"] == "failed"
    assert "\n" not in told["error"]
    assert "/proc/" not in told["error"]
    assert told["summary"] is None


def test_there_are_so_many_places_and_a_result_is_kept_so_long(client: TestClient, clip: bytes) -> None:
    answers = [client.post("/v1/video?aggregate_only=true", content=clip) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 503, 503]
    told = ended(client, answers[0])
    assert told["summary"]["group"] is None
    assert told["summary"]["faces"] is None
    client.delete(answers[1].headers["Location"])
    time.sleep(1.2)
    assert client.get(answers[0].headers["Location"]).status_code == 404


@pytest.mark.parametrize(
    ("query", "content", "kind", "status"),
    [
        ("?every=0", b"x", "video/mp4", 422),
        ("", b"x", "image/png", 415),
        ("", b"", "video/mp4", 400),
        ("", bytes(300_001), "video/mp4", 413),
    ],
)
def test_wrong_videos_are_refused(client: TestClient, query: str, content: bytes, kind: str, status: int) -> None:
    assert client.post(f"/v1/video{query}", content=content, headers={"Content-Type": kind}).status_code == status


def test_a_number_that_is_not_there_tells_nothing(client: TestClient) -> None:
    assert client.get("/v1/video/nothing").status_code == 404
    assert client.delete("/v1/video/nothing").status_code == 404
