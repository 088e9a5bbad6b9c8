"""The plan of sittings: its page, its figures, and the step times that they follow from, agree."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

import paper_plan
from fsrfer.errors import FsrferError

DOCS = Path(__file__).parents[2] / "docs"


def test_page_and_record_follow_from_the_measured_times():
    record = json.loads((DOCS / "results" / "paper-plan.json").read_text("utf-8"))
    measured = paper_plan.read(DOCS / "results" / "paper-step.json")
    stages = paper_plan.plan(measured, record["minutes"], record["start_seconds"])
    assert record["stages"] == [asdict(stage) for stage in stages]
    page = (DOCS / "how-to" / "train-the-paper.md").read_text("utf-8")
    assert page == paper_plan.with_table(page, paper_plan.table(stages, record["minutes"]))


def test_a_sitting_is_whole_steps_after_its_start():
    steps = [{"stage": stage, "seconds": 1.0} for stage in ("extractor", "pretraining", "adversarial", "image-sr")]
    measured = {"recipe": {"name": "paper"}, "batch": 1, "steps": steps}
    stages = {stage.name: stage for stage in paper_plan.plan(measured, minutes=10, start=30)}
    assert stages["adversarial"].seconds == 32
    assert stages["adversarial"].sittings - -(-stages["adversarial"].validating // 570) == -(-300_000 // 17)
    assert stages["three ablations"].steps == 900_000
    with pytest.raises(FsrferError, match="stage image-sr was not measured"):
        paper_plan.plan({**measured, "steps": steps[:3]}, minutes=10, start=30)
    with pytest.raises(FsrferError, match="several precisions; name one to"):
        paper_plan.plan({**measured, "steps": [*steps, steps[0]]}, minutes=10, start=30)


def test_a_page_without_marks_is_refused():
    with pytest.raises(FsrferError, match="no marks"):
        paper_plan.with_table("a page", "a table")
