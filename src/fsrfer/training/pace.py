"""How fast a training goes, and for how much of its time it waits for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TIMES = ("seconds", "steps_per_second", "waiting_for_data")
"""Names in a training's table of what no two runs have alike."""


class Waits:
    """The time that steps spend until their faces are there.

    On a GPU two events mark in its own queue where the making of a batch begins and ends. Marking waits for nothing, and the
    time between them holds the device's own work on the views as well as what it waits for.

    Args:
        device: where the steps are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._cuda, self._seconds = device.type == "cuda", 0.0

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Within the block a batch is made or waited for."""
        if self._cuda:
            begun, there = _mark(), _mark()
            begun.record()
            yield
            there.record()
            self._marks.append((begun, there))
            return
        start = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start

    def taken(self) -> float:
        """Seconds since the last call. This waits for a GPU, so it is for when the losses are read anyway."""
        if self._marks:
            self._marks[-1][1].synchronize()
            self._seconds += sum(begun.elapsed_time(there) for begun, there in self._marks) / 1000
            self._marks.clear()
        seconds, self._seconds = self._seconds, 0.0
        return seconds


def _mark() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


class Pace:
    """Steps and their time since the last row of the log; measuring and saving are not counted.

    Args:
        waits: of the trainee.
    """

    def __init__(self, waits: Waits) -> None:
        self._waits, self._steps, self._seconds = waits, 0, 0.0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Within the block a step is done, and read where it is to be read."""
        start = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - start
        self._steps += 1

    def figures(self) -> dict[str, float]:
        """Steps a second, and the share of their time that was waited for data, 0..1; then counting begins anew."""
        share = self._waits.taken() / self._seconds
        figures = {"steps_per_second": self._steps / self._seconds, "waiting_for_data": share}
        self._steps, self._seconds = 0, 0.0
        return figures
