"""Logs are lines of JSON, without what a client may have sent."""

import json
import logging

import pytest

from fsrfer.serving import logs


def test_events_are_lines_of_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LAST_SECONDS", 60)  # a busy machine may take long to run the thread that writes
    with logs.to_stderr():
        logs.event("request", route="/v1/predict", ms=1.5)
        logging.getLogger("uvicorn.error").warning("x" * 1000)
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["route"], first["ms"]) == ("request", "/v1/predict", 1.5)
    assert first["time"].endswith("Z")
    assert len(second["event"]) == logs.LONGEST


def test_an_error_is_told_by_its_place_alone() -> None:
    def fail() -> None:
        raise ValueError("what a client sent")

    with pytest.raises(ValueError, match="client") as error:
        fail()
    told = logs.where(error.value)
    assert told.startswith("ValueError at ")
    assert "client" not in told
