"""A few of the damaged inputs that ``make fuzz`` tries by the thousand."""

from pathlib import Path

import pytest

from fuzzing.kinds import KINDS
from fuzzing.running import failure_of, input_of, seeds_of

COUNTS = {"pictures": 400, "uploads": 80, "videos": 20, "models": 10, "boxes": 200, "recipes": 30, "tables": 100}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_input_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    seeds = seeds_of(kind, tmp_path)
    inputs = (input_of(kind, 7, number, seeds) for number in range(COUNTS[kind]))
    failures = [failure_of(kind, data, tmp_path / "input") for data in inputs]
    assert [reason for reason in failures if reason] == []
