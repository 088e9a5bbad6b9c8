"""The one scheduler of chunks, for processes and for machines: a thread a worker, each chunk to whoever is free."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from fsrfer.scoring.errors import ScoringError, WorkerDied
from fsrfer.scoring.plan import MOST_ATTEMPTS, Task

MOST_FAILED_STARTS = 3
"""Of workers in a row, without one that got ready."""


class Worker(Protocol):
    """What scores a chunk at a time."""

    def score(self, task: Task) -> dict[str, Any]:
        """Score a chunk; returns its receipt.

        Raises:
            ScoringError: it cannot be.
            WorkerDied: the worker ended.
        """

    def close(self) -> None:
        """End it, whatever it is doing."""


class Engine(Protocol):
    """Where workers are."""

    @property
    def workers(self) -> int:
        """How many there can be at once."""

    def open(self, needless: Callable[[], bool]) -> Worker | None:
        """A worker that is ready; None where it turned out needless while one was waited for.

        Raises:
            ScoringError: there can be none.
            WorkerDied: it ended before it was ready.
        """

    def close(self) -> None:
        """Leave nothing running."""


class Pool:
    """Chunks that wait, chunks under way, and what became of the others."""

    def __init__(self, tasks: Sequence[Task], engine: Engine, on_receipt: Callable[[dict[str, Any]], None]):
        """Schedule some chunks, in their order.

        Args:
            tasks: to be done.
            engine: that has the workers.
            on_receipt: called with each receipt, by one thread at a time.
        """
        self._waiting, self._under_way = deque(tasks), dict[int, Task]()
        self._engine, self._on_receipt = engine, on_receipt
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._stopped = False
        self._open: set[Worker] = set()
        self._failed_starts = 0
        self._first_attempts = {task.chunk: task.attempt for task in tasks}

    def run(self) -> None:
        """Have all chunks scored.

        Raises:
            ScoringError: some cannot be; those that can be are not waited for.
            KeyboardInterrupt: as it came; workers are ended first.
        """
        count = min(self._engine.workers, len(self._waiting))
        threads = [threading.Thread(target=self._work, name=f"worker {number}", daemon=True) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                with self._changed:
                    if self._failure is not None:
                        break
                    self._changed.wait(0.2)
        finally:
            self._stop()
            for thread in threads:
                thread.join(10.0)
            self._engine.close()
        if self._failure is not None:
            raise self._failure

    @property
    def under_way(self) -> list[Task]:
        """Chunks that were begun and not done."""
        return list(self._under_way.values())

    def _work(self) -> None:
        worker: Worker | None = None
        try:
            while not self._needless():
                worker = worker or self._opened()
                if worker is None or (task := self._next()) is None:
                    continue
                try:
                    receipt = worker.score(task)
                except WorkerDied as end:
                    self._close(worker)
                    worker = None
                    self._again(task, end)
                else:
                    self._finish(task, receipt)
        except BaseException as failure:
            with self._changed:
                self._failure = self._failure or failure
                self._changed.notify_all()
        finally:
            if worker is not None:
                self._close(worker)

    def _opened(self) -> Worker | None:
        try:
            worker = self._engine.open(self._needless)
        except WorkerDied as end:
            with self._changed:
                self._failed_starts += 1
                if self._failed_starts >= MOST_FAILED_STARTS:
                    raise ScoringError(f"workers end before they are ready ({end})") from end
            return None
        with self._changed:
            self._failed_starts = 0
            if worker is not None:
                self._open.add(worker)
        return worker

    def _close(self, worker: Worker) -> None:
        with self._changed:
            self._open.discard(worker)
        worker.close()

    def _needless(self) -> bool:
        with self._changed:
            return self._stopped or self._failure is not None or not (self._waiting or self._under_way)

    def _next(self) -> Task | None:
        """A chunk; None for now, where all that is left is under way and may yet come back."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(0.5)
                return None
            task = self._waiting.popleft()
            self._under_way[task.chunk] = task
            return task

    def _again(self, task: Task, end: WorkerDied) -> None:
        with self._changed:
            if self._stopped:
                return
            del self._under_way[task.chunk]
            if task.attempt - self._first_attempts[task.chunk] + 1 >= MOST_ATTEMPTS:
                raise ScoringError(f"chunk {task.chunk} ended {MOST_ATTEMPTS} workers (the last: {end})") from end
            self._waiting.appendleft(replace(task, attempt=task.attempt + 1))
            self._changed.notify_all()

    def _finish(self, task: Task, receipt: dict[str, Any]) -> None:
        with self._changed:
            del self._under_way[task.chunk]
            self._on_receipt(receipt)
            self._changed.notify_all()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            left = list(self._open)
            self._open.clear()
            self._changed.notify_all()
        for worker in left:
            worker.close()
