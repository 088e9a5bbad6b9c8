"""The scheduler: whatever workers do, each chunk is finished once, or the run says why not."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fsrfer.scoring.errors import ScoringError, WorkerDied
from fsrfer.scoring.plan import MOST_ATTEMPTS, Task
from fsrfer.scoring.pool import Pool


class Engine:
    """Workers that do as a function says."""

    def __init__(self, does: Callable[[Task], Any], workers: int = 3, starts: Callable[[], None] = lambda: None):
        self.does, self.workers, self.starts = does, workers, starts
        self.opened: list[Worker] = []
        self.closed = False

    def open(self, needless: Callable[[], bool]) -> "Worker":
        self.starts()
        self.opened.append(Worker(self.does))
        return self.opened[-1]

    def close(self) -> None:
        self.closed = True


class Worker:
    def __init__(self, does: Callable[[Task], Any]):
        self.does, self.closed = does, threading.Event()

    def score(self, task: Task) -> dict[str, Any]:
        self.does(task)
        return {"chunk": task.chunk, "attempt": task.attempt}

    def close(self) -> None:
        self.closed.set()


def tasks(count: int) -> list[Task]:
    return [Task(number, 0, number, 16) for number in range(count)]


def run(engine: Engine, count: int) -> Counter[int]:
    done: Counter[int] = Counter()
    Pool(tasks(count), engine, lambda receipt: done.update([receipt["chunk"]])).run()
    return done


def test_chunks_of_dead_workers_go_to_new_ones() -> None:
    def does(task: Task) -> None:
        if task.chunk % 3 == 0 and task.attempt < 3:
            raise WorkerDied("signal 9")

    engine = Engine(does)
    assert run(engine, 20) == Counter(range(20))
    assert engine.closed
    assert all(worker.closed.is_set() for worker in engine.opened)
    assert 3 + 2 * 7 >= len(engine.opened) > 3


def test_a_chunk_that_ends_every_worker_ends_the_run() -> None:
    def does(task: Task) -> None:
        if task.chunk == 1:
            raise WorkerDied("signal 9")

    with pytest.raises(ScoringError, match=rf"chunk 1 ended {MOST_ATTEMPTS} workers \(the last: signal 9\)"):
        run(Engine(does), 4)


def test_workers_that_never_start_end_the_run() -> None:
    def starts() -> None:
        raise WorkerDied("exit status 1")

    with pytest.raises(ScoringError, match=r"before they are ready \(exit status 1\)"):
        run(Engine(lambda task: None, starts=starts), 4)


def test_what_a_worker_says_ends_the_run_and_the_others() -> None:
    def does(task: Task) -> None:
        if task.chunk == 2:
            raise ScoringError("s3://results: the store does not answer")
        time.sleep(0.02)

    engine = Engine(does)
    with pytest.raises(ScoringError, match="does not answer"):
        run(engine, 200)
    assert all(worker.closed.is_set() for worker in engine.opened)


def test_the_last_chunk_may_come_back_to_a_worker_that_waited() -> None:
    first = threading.Event()

    def does(task: Task) -> None:
        if task.chunk == 0 and task.attempt == 1:
            time.sleep(0.1)
            first.set()
            raise WorkerDied("its node is gone")

    assert run(Engine(does, workers=2), 2) == Counter([0, 1])
    assert first.is_set()
