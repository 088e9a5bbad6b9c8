"""The routes: answers of the command line, refusals in one line each, and nothing said that should not be."""

import json
import logging
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from fsrfer import Recognizer
from fsrfer.serving.answers import ClassifyAnswer, PredictAnswer
from fsrfer.serving.service import Service
from support.toy_model import stripes
from support.uploads import as_file, noise

PICTURE = as_file(noise(60, 80))


def problem_of(response) -> str:
    """The kind of a problem, which is one line of the right type."""
    told = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert told["status"] == response.status_code
    assert "\n" not in told["detail"]
    return told["type"].rpartition(":")[2]


def test_a_photo_is_answered_as_by_the_command_line(client: TestClient, portrait: bytes, toy: Path) -> None:
    told = client.post("/v1/predict", content=portrait, headers={"Content-Type": "image/jpeg"}).json()
    expected = Recognizer(toy).predict(portrait).to_dict()
    assert told["photos"] == [json.loads(json.dumps({**expected, "source": "picture"}))]
    assert len(told["photos"][0]["faces"]) > 0
    assert told["summary"]["photos"] == 1


def test_crops_are_answered_as_by_the_command_line(client: TestClient, toy: Path) -> None:
    crops = [as_file(stripes(winner, 56)) for winner in (3, 5)]
    told = client.post("/v1/classify", files=[("face", ("a.png", crops[0])), ("face", ("b.png", crops[1]))]).json()
    expected = Recognizer(toy).classify(crops)
    assert [one["expression"] for one in told["crops"]] == [one.expression for one in expected]
    assert [one["probability"] for one in told["crops"]] == [round(one.probability, 6) for one in expected]
    assert [(one["file"], one["size_px"]) for one in told["crops"]] == [("a.png", 56.0), ("b.png", 56.0)]


def test_answers_are_what_the_document_describes(client: TestClient, portrait: bytes) -> None:
    predicted = client.post("/v1/predict", files=[("a", portrait), ("b", b"no picture")]).json()
    classified = client.post("/v1/classify", files=[("a", PICTURE), ("b", b"no picture")]).json()
    for kind, told in ((PredictAnswer, predicted), (ClassifyAnswer, classified)):
        described = TypeAdapter(kind)
        assert described.dump_python(described.validate_python(told), mode="json") == told


def test_one_picture_that_fails_does_not_cost_the_others(client: TestClient) -> None:
    told = client.post("/v1/predict", files=[("x", ("a.png", PICTURE)), ("x", ("b.png", PICTURE[:200]))]).json()
    assert [one["error"] is None for one in told["photos"]] == [True, False]
    assert (told["photos"][0]["width"], told["photos"][0]["height"]) == (80, 60)
    assert (told["summary"]["photos"], told["summary"]["failed"]) == (2, 1)


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 400, "empty"),
        (b"GIF8 is how it begins", 422, "unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", 415, "not-a-picture"),
        (as_file(np.zeros((1500, 1500, 3), np.uint8)), 413, "too-many-pixels"),
        (PICTURE[:300], 422, "unreadable"),
        (b"\xff\xd8\xff" + bytes(1_000_000), 413, "too-large"),
    ],
)
def test_what_is_no_picture_is_a_problem(client: TestClient, content: bytes, status: int, kind: str) -> None:
    response = client.post("/v1/predict", content=content, headers={"Content-Type": "application/octet-stream"})
    assert (response.status_code, problem_of(response)) == (status, kind)


def test_a_body_without_a_length_is_limited_too(client: TestClient) -> None:
    response = client.post("/v1/predict", content=(bytes(100_000) for _ in range(20)))
    assert (response.status_code, problem_of(response)) == (413, "too-large")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_bodies_of_other_types_are_refused(client: TestClient, kind: str) -> None:
    response = client.post("/v1/predict", content=b'{"url": "http://169.254.169.254/"}', headers={"Content-Type": kind})
    assert (response.status_code, problem_of(response)) == (415, "media-type")


@pytest.mark.parametrize(
    "form",
    [b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nabc", b"--y--\r\n", b"no form at all"],
)
def test_damaged_forms_are_refused(client: TestClient, form: bytes) -> None:
    response = client.post("/v1/predict", content=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (response.status_code, problem_of(response)) == (400, "bad-form")


@pytest.mark.parametrize("head", ["", 'Content-Disposition: form-data; name="aggregate_only"\r\n'])
def test_parts_of_forms_must_be_files(client: TestClient, head: str) -> None:
    form = f"--x\r\n{head}\r\ntrue\r\n--x--\r\n".encode()
    response = client.post("/v1/predict", content=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (response.status_code, problem_of(response)) == (400, "bad-form")


def test_an_empty_file_costs_itself_alone(client: TestClient) -> None:
    told = client.post("/v1/predict", files=[("x", ("a.png", PICTURE)), ("x", ("b.png", b""))]).json()
    assert [one["error"] is None for one in told["photos"]] == [True, False]
    assert client.post("/v1/predict", files=[("x", ("b.png", b""))]).status_code == 400


def test_a_refused_method_is_told_all_that_are_taken(client: TestClient) -> None:
    response = client.request("OPTIONS", "/v1/video/abc")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, GET")


def test_forms_hold_so_many_files(client: TestClient) -> None:
    response = client.post("/v1/predict", files=[("x", PICTURE)] * 5)
    assert (response.status_code, problem_of(response)) == (413, "too-many")


def test_compressed_bodies_are_refused(client: TestClient) -> None:
    response = client.post("/v1/predict", content=PICTURE, headers={"Content-Encoding": "gzip"})
    assert (response.status_code, problem_of(response)) == (415, "encoded")


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer wrong", "Basic 0123456789abcdef0123", "Bearer caf\u00e9"])
def test_without_the_token_nothing_is_told(client: TestClient, token: str) -> None:
    for path in ("/v1/info", "/metrics", "/v1/nothing"):
        response = client.get(path, headers={"Authorization": token.encode()})
        assert (response.status_code, problem_of(response)) == (401, "token")
    assert client.post("/v1/predict", content=PICTURE, headers={"Authorization": token.encode()}).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_neither_token_nor_name(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Authorization": "", "Host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", ""])
def test_names_that_are_not_ours_are_refused(client: TestClient, host: str) -> None:
    assert client.get("/v1/info", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_pages_of_others_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post("/v1/predict", content=PICTURE, headers=headers)
    assert (response.status_code, problem_of(response)) == (403, "origin")
    assert "access-control-allow-origin" not in response.headers


def test_a_page_of_ours_is_let_in(client: TestClient) -> None:
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/v1/predict", content=PICTURE, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/predict", 405, "method-not-allowed"),
        ("GET", "/docs", 404, "not-found"),
        ("POST", "/v1/predict?aggregate_only=perhaps", 422, "invalid"),
    ],
)
def test_wrong_requests_are_problems_too(client: TestClient, method: str, path: str, status: int, kind: str) -> None:
    response = client.request(method, path)
    assert (response.status_code, problem_of(response)) == (status, kind)
    assert "perhaps" not in response.text


def test_every_answer_has_its_headers(client: TestClient) -> None:
    for path in ("/healthz", "/v1/nothing", "/v1/info"):
        headers = client.get(path, headers={"X-Request-ID": "abc-1"}).headers
        assert headers["x-request-id"] == "abc-1"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
    strange = client.get("/healthz", headers={"X-Request-ID": 'a"} {"level": "error'}).headers["x-request-id"]
    assert strange.isalnum()


def test_logs_hold_nothing_of_pictures(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fsrfer.serving"):
        client.post("/v1/predict?aggregate_only=false&who=jane", files=[("jane", ("jane_doe.png", PICTURE))])
    assert [record.getMessage() for record in caplog.records] == ["request"]
    facts = caplog.records[0].facts
    assert facts["route"] == "/v1/predict"
    assert facts["status"] == 200
    assert "jane" not in str(facts)


def test_what_the_service_says_of_itself(client: TestClient, toy: Path) -> None:
    told = client.get("/v1/info").json()
    assert told["model"]["name"] == "toy"
    assert told["limits"]["upload_bytes"] == 1_000_000
    assert told["limits"]["pixels"] == 2_000_000
    assert told["device"] == "cpu"
    assert str(toy) not in json.dumps(told)


def test_figures_count_routes_and_not_paths(client: TestClient) -> None:
    client.get("/v1/secret-path")
    text = client.get("/metrics").text
    assert 'fsrfer_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert "secret-path" not in text


def test_the_document_describes_every_route(client: TestClient) -> None:
    document = client.get("/openapi.json", headers={"Authorization": ""}).json()
    assert {"/v1/predict", "/v1/classify", "/v1/info", "/healthz", "/readyz", "/metrics"} <= set(document["paths"])
    predict = document["paths"]["/v1/predict"]["post"]
    assert predict["responses"]["200"]["content"]["application/json"]["example"]["photos"][0]["faces"]
    items = predict["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["picture"]["items"]
    assert items == {"type": "string", "format": "binary"}
    assert "HTTPValidationError" not in json.dumps(document)
    assert (predict["security"], document["paths"]["/healthz"]["get"]["security"]) == ([{"token": []}], [])
    assert "#/components/schemas/Problem" in json.dumps(predict["responses"]["503"])


def test_a_client_may_ask_for_less(client: TestClient, portrait: bytes) -> None:
    told = client.post("/v1/predict?aggregate_only=true", content=portrait).json()
    (photo,) = told["photos"]
    assert (photo["faces"], photo["group"], photo["estimate"]) == (None, None, None)
    assert (told["summary"]["group"], told["summary"]["without_faces"]) == (None, None)


def test_a_worker_that_dies_is_replaced(client: TestClient, service: Service) -> None:
    (pid,) = service.pool.pids
    os.kill(pid, signal.SIGKILL)
    statuses = [client.post("/v1/predict", content=PICTURE).status_code for _ in range(3)]
    assert statuses.count(200) >= 2
    assert set(statuses) <= {200, 422}
    assert service.pool.pids != [pid]
    deadline = time.monotonic() + 60
    while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.get("/readyz").status_code == 200
