"""The one loop every kind of training runs in: steps, log, validation, checkpoints, resume."""

import contextlib
import csv
import io
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lightning_fabric import Fabric
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from fsrfer.errors import TrainingError
from fsrfer.files import write_text
from fsrfer.recipes.sections import LoopSettings
from fsrfer.training import checkpoint
from fsrfer.training.compute import seen_everywhere, time_is_up
from fsrfer.training.pace import Pace, Waits


class Paused(Exception):  # noqa: N818 - nothing went wrong
    """The time of this sitting is up: what was done is saved, and more is left to do."""


class Trainee(Protocol):
    """What the loop drives. Each step must depend on nothing but the state and the step's number."""

    waits: Waits
    """Where the time goes that its steps wait for faces."""

    def train_step(self, step: int) -> Mapping[str, Tensor | float]:
        """Do one step; returns its losses, each a scalar, which the loop reads when it needs them."""

    def validate(self) -> dict[str, float]:
        """Measure the present state."""

    @property
    def parts(self) -> Mapping[str, checkpoint.Stateful]:
        """All that a checkpoint keeps, by name."""


def run(fabric: Fabric, trainee: Trainee, settings: LoopSettings, folder: Path, stage: str) -> None:
    """Train for ``settings.max_steps`` steps, going on from the newest checkpoint of the stage where there is one.

    Raises:
        TrainingError: a loss is not a finite number, where the last good checkpoint stays; or processes of one run see
            different checkpoints.
        Paused: the time is up, `compute.Machine.deadline`; the step that was running is done and saved.
    """
    checkpoints, log = folder / "checkpoints" / stage, MetricsLog(folder / f"metrics-{stage}.csv")
    step = _restored(trainee, checkpoints)
    _require_alike(fabric, step, checkpoints)
    prompt = fabric.device.type == "cpu"  # elsewhere reading a loss waits for the device, so that is done when needed
    log.drop_after(step)
    with _progress(fabric) as progress, _board(fabric, folder / "tensorboard" / stage, step) as board:
        bar = progress.add_task(f"{folder.name}: {stage}", total=settings.max_steps, completed=step, note="")
        started, pace, rate = time.monotonic(), Pace(trainee.waits), ""
        losses: dict[str, float] = {}
        while step < settings.max_steps:
            with pace.step():
                computed = trainee.train_step(step)
                step += 1
                due = _Due.at(step, settings)
                up = time_is_up(fabric, together=due.anything)
                if prompt or due.anything or up:
                    losses = {name: float(value) for name, value in computed.items()}
            _require_finite(losses, step, stage, checkpoints)
            row: dict[str, float] = {}
            if due.log:
                figures = pace.figures()
                row = {**losses, "seconds": time.monotonic() - started, **figures}
                rate = _told(figures)
            if due.validation:
                row.update(trainee.validate())
            if row and fabric.is_global_zero:
                log.write(step, row)
                for name, value in row.items():
                    board.add_scalar(name, value, step)
            if due.checkpoint or up:
                if fabric.is_global_zero:
                    log.flush()
                    checkpoint.save(checkpoints, step, checkpoint.state_of(trainee.parts))
                fabric.barrier()
            if up and step < settings.max_steps:
                raise Paused(f"{folder}: stage {stage}, step {step} of {settings.max_steps}")
            told = " ".join(f"{key} {value:.4g}" for key, value in losses.items())
            progress.update(bar, completed=step, note=rate + told)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be done after a step."""

    log: bool
    validation: bool
    checkpoint: bool

    @classmethod
    def at(cls, step: int, settings: LoopSettings) -> "_Due":
        last = step == settings.max_steps
        every = (settings.log_every, settings.validate_every, settings.checkpoint_every)
        return cls(*(last or step % steps == 0 for steps in every))

    @property
    def anything(self) -> bool:
        return self.log or self.validation or self.checkpoint


def _told(figures: Mapping[str, float]) -> str:
    return f"{figures['steps_per_second']:.3g} steps/s, {figures['waiting_for_data']:.0%} waiting for data "


def _board(fabric: Fabric, folder: Path, step: int) -> Any:
    """TensorBoard's log of a stage; what a killed run wrote past its checkpoint is hidden. Nothing in other processes."""
    if not fabric.is_global_zero:
        return contextlib.nullcontext()
    return SummaryWriter(str(folder), purge_step=step + 1)


def _restored(trainee: Trainee, checkpoints: Path) -> int:
    newest = checkpoint.newest(checkpoints)
    if newest is None:
        return 0
    step, state = checkpoint.load(newest)
    checkpoint.restore(trainee.parts, state)
    return step


def _require_alike(fabric: Fabric, step: int, checkpoints: Path) -> None:
    """Processes that went on from different steps would average gradients of different networks, without a word."""
    steps = seen_everywhere(fabric, step)
    if len({*steps}) > 1:
        raise TrainingError(
            f"{checkpoints}: of step {step} here, of steps {sorted({*steps})} among all processes; the run's folder must be "
            "on storage that all machines share"
        )


def _require_finite(losses: Mapping[str, float], step: int, stage: str, checkpoints: Path) -> None:
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        good = checkpoint.newest(checkpoints)
        kept = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
        raise TrainingError(
            f"{stage}: {', '.join(broken)} became {losses[broken[0]]} at step {step}; {kept}. Try a lower learning rate, "
            "or precision 32-true"
        )


def _progress(fabric: Fabric) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, TextColumn("{task.fields[note]}"), disable=not fabric.is_global_zero)


class MetricsLog:
    """A CSV table of (step, name, value), rewritten atomically, so that a killed run leaves a whole one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[tuple[int, str, float]] = []
        if path.exists():
            self._rows = _read_rows(path)

    def drop_after(self, step: int) -> None:
        """Forget rows past a step: a resumed run writes them again."""
        self._rows = [row for row in self._rows if row[0] <= step]

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of one step."""
        self._rows += [(step, name, value) for name, value in values.items()]

    def flush(self) -> None:
        """Write the table."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("step", "name", "value"))
        writer.writerows(self._rows)
        write_text(self.path, text.getvalue())


def _read_rows(path: Path) -> list[tuple[int, str, float]]:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return [(int(row["step"]), row["name"], float(row["value"])) for row in csv.DictReader(lines)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: not a table of metrics ({error}); remove it to resume without it") from error
