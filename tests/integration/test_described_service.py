"""A running service answers as its OpenAPI document says: a little of what ``make fuzz-service`` asks."""

import sys
from pathlib import Path

import pytest

import fuzz_service

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the service is watched by /proc")


def test_no_answer_is_a_fault_or_undocumented(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    few = ["--phases", "fuzzing", "--seed", "1", "--include-path", "/v1/predict", "--include-path", "/v1/info"]
    code = fuzz_service.run(tmp_path, examples=5, more=few)
    assert code == 0, capfd.readouterr().out
