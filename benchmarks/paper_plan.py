"""How many sittings the paper's training takes, from the step times that ``benchmarks/paper_step.py`` measured.

Run ``python benchmarks/paper_plan.py docs/results/paper-step.json -o docs/results/paper-plan.json``. A sitting is what one
lends a machine for: it loads the newest checkpoint, does whole steps, and saves (``fsrfer train --minutes``).
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fsrfer.errors import FsrferError
from fsrfer.files import write_text
from fsrfer.recipes.paper import PaperRecipe
from fsrfer.recipes.schema import load_recipe
from measuring import readable, run

BEGIN, END = "<!-- plan: benchmarks/paper_plan.py -->", "<!-- end of the plan -->"

MEASURED = {"extractor": 1000 * 4, "pretraining": 1000, "adversarial": 1000, "image-sr": 256}
"""Faces that a stage answers to at a validation, times factors where those are not the recipe's."""

FORWARD = 1 / 3
"""Share of a training step that one pass forward takes: the way back costs twice as much."""

REPORT = {"mixed": "extractor", "image-sr": "image-sr", "three ablations": "adversarial"}
"""What ``fsrfer benchmark`` trains beside the stages of ``fsrfer train``, and whose step each takes."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the schedule.

    Attributes:
        name: of the stage.
        steps: of its schedule.
        faces: a step.
        seconds: a step.
        validating: seconds of all its validations.
        sittings: that it takes.
    """

    name: str
    steps: int
    faces: int
    seconds: float
    validating: float
    sittings: int


def main() -> int:
    """Compute, print, and save what was asked for."""
    parser = argparse.ArgumentParser(description="Sittings of the paper's training, from measured step times.")
    parser.add_argument("steps", type=Path, help="what benchmarks/paper_step.py --json wrote")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="of a sitting (%(default)g)")
    parser.add_argument(
        "--start", type=float, default=30, metavar="S", help="seconds until its first step (%(default)g)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="save the plan as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the table between its marks in this page")
    options = parser.parse_args()
    measured = read(options.steps)
    stages = plan(measured, options.minutes, options.start)
    lines = table(stages, options.minutes)
    print(lines)
    if options.output:
        content = {
            "command": sys.argv,
            "machine": measured["machine"],
            "measured_batch": measured["batch"],
            "minutes": options.minutes,
            "start_seconds": options.start,
            "stages": [asdict(stage) for stage in stages],
            "train": total(stages[: len(stages) - len(REPORT)]),
            "report": total(stages),
        }
        write_text(options.output, json.dumps(content, indent=2) + "\n")
    if options.page:
        write_text(options.page, with_table(options.page.read_text("utf-8"), lines))
    return 0


def read(path: Path) -> dict[str, Any]:
    """The record of a measurement.

    Raises:
        FsrferError: it cannot be read.
    """
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise FsrferError(f"{path}: cannot be read ({error}); write it by benchmarks/paper_step.py --json") from error


def plan(measured: Mapping[str, Any], minutes: float, start: float) -> list[Stage]:
    """Every stage of ``fsrfer train``, then what a report trains beside it.

    Raises:
        FsrferError: a stage was not measured.
    """
    recipe = load_recipe(measured["recipe"]["name"])
    if not isinstance(recipe, PaperRecipe):
        raise FsrferError(f"{recipe.name}: not a recipe of the paper's system")
    names = ("extractor", "pretraining", "adversarial", "image-sr")
    loops = dict(zip(names, recipe.loops(), strict=True))
    seconds = {step["stage"]: step["seconds"] / measured["batch"] for step in measured["steps"]}
    if len(seconds) < len(measured["steps"]):
        raise FsrferError(
            "stages were measured in several precisions; name one to benchmarks/paper_step.py --precision"
        )
    if missing := [name for name in names if name not in seconds]:
        raise FsrferError(f"stage {missing[0]} was not measured; leave out --stages of benchmarks/paper_step.py")
    factors = {"pretraining": len(recipe.factors), "adversarial": len(recipe.factors)}
    stages = []
    for name, like in ({name: name for name in names[:3]} | REPORT).items():
        loop, times = loops[like], 3 if name == "three ablations" else 1
        step = seconds[like] * loop.batch_size
        one = MEASURED[like] * factors.get(like, 1) * seconds[like] * FORWARD
        steps, validating = loop.max_steps * times, one * times * math.ceil(loop.max_steps / loop.validate_every)
        each = max(1, int((60 * minutes - start) / step))
        sittings = math.ceil(steps / each) + math.ceil(validating / (60 * minutes - start))
        stages.append(Stage(name, steps, loop.batch_size, step, validating, sittings))
    return stages


def total(stages: list[Stage]) -> dict[str, float]:
    """Steps, sittings and days of several stages."""
    seconds = sum(stage.steps * stage.seconds + stage.validating for stage in stages)
    return {
        "steps": sum(stage.steps for stage in stages),
        "sittings": sum(stage.sittings for stage in stages),
        "days": seconds / 86400,
    }


def table(stages: list[Stage], minutes: float) -> str:
    """The plan as Markdown."""
    lines = [
        f"| stage | steps | faces a step | seconds a step | hours of validation | sittings of {minutes:g} minutes |",
        "|---|---|---|---|---|---|",
    ]
    for stage in stages:
        lines.append(
            f"| `{stage.name}` | {stage.steps:,} | {stage.faces} | {readable(stage.seconds)} | "
            f"{readable(stage.validating / 3600)} | {stage.sittings:,} |"
        )
    trained, whole = total(stages[: len(stages) - len(REPORT)]), total(stages)
    for name, sums in (("`fsrfer train paper`, the first three", trained), ("the report, all of them", whole)):
        lines.append(f"| {name} | {sums['steps']:,} | | {readable(sums['days'])} days | | {sums['sittings']:,} |")
    return "\n".join(lines)


def with_table(page: str, lines: str) -> str:
    """A page with the table between its marks.

    Raises:
        FsrferError: it has no marks.
    """
    before, begun, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise FsrferError(f"the page has no marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{lines}\n{END}{after}"


if __name__ == "__main__":
    run(main)
