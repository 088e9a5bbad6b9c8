"""Trying many damaged inputs in processes of their own, watched from outside: a crash or hang is a failure like any other."""

import multiprocessing
import os
import random
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from fsrfer.errors import FsrferError, FsrferWarning
from fuzzing.kinds import KINDS
from fuzzing.mutation import mutated

PATIENCE = 20.0
"""Seconds that one input may take."""

WARM_UP = 300
"""Inputs after which a process has what it keeps, and should grow no more."""

GROWTH = 150 * 2**20
"""Bytes that a process may grow by all the same, since freed memory does not go back at once."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that did what none may do.

    Attributes:
        kind, seed, number: from which it is made again.
        reason: what happened, with the traceback if there is one.
    """

    kind: str
    seed: int
    number: int
    reason: str


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    number: int
    since: float
    stop: int


def seeds_of(kind: str, folder: Path) -> list[bytes]:
    """The whole inputs of a kind; what their encoders say is nobody's concern."""
    with WatchedStderr():
        return KINDS[kind].seeds(folder)


def input_of(kind: str, seed: int, number: int, seeds: list[bytes]) -> bytes:
    """The same damaged input for the same three."""
    return mutated(seeds, random.Random(f"{kind}/{seed}/{number}"))  # noqa: S311 (no secret)


def failure_of(kind: str, data: bytes, path: Path) -> str | None:
    """What is wrong with the way one input is answered, or None."""
    with WatchedStderr() as said, warnings.catch_warnings():
        warnings.simplefilter("ignore", FsrferWarning)
        try:
            KINDS[kind].attempt(data, path)
        except FsrferError as error:
            if "\n" in str(error):
                return f"an error of several lines: {error!r}"
        except Exception:
            return traceback.format_exc()
    return f"written to stderr: {said.text!r}" if said.text else None


def tried(kind: str, seed: int, numbers: range, workers: int, patience: float = PATIENCE) -> Iterator[int | Failure]:
    """Try the inputs of some numbers; gives each number that went well, and each failure."""
    step = -(-len(numbers) // workers) if len(numbers) else 1
    shares = [numbers[start : start + step] for start in range(0, len(numbers), step)]
    running = [_start(kind, seed, share.start, share.stop) for share in shares]
    try:
        while running:
            wait([worker.pipe for worker in running], timeout=0.5)
            for worker in list(running):
                yield from _heard(worker, kind, seed, patience, running)
    finally:
        for worker in running:
            worker.process.kill()
            worker.process.join()


def _heard(worker: _Worker, kind: str, seed: int, patience: float, running: list[_Worker]) -> Iterator[int | Failure]:
    """What a process says; one that crashed or hangs is replaced by another that goes on after the input."""
    try:
        while worker.pipe.poll():
            number, reason = worker.pipe.recv()
            yield number if reason is None else Failure(kind, seed, number, reason)
            worker.number, worker.since = number + 1, time.monotonic()
        if time.monotonic() - worker.since < patience:
            return
        reason = f"a hang of more than {patience:.0f} s"
    except EOFError:
        worker.process.join()
        reason = f"the process ended with {worker.process.exitcode}"
    running.remove(worker)
    worker.process.kill()
    worker.process.join()
    if worker.number >= worker.stop:
        return
    yield Failure(kind, seed, worker.number, reason)
    if worker.number + 1 < worker.stop:
        running.append(_start(kind, seed, worker.number + 1, worker.stop))


def _start(kind: str, seed: int, start: int, stop: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(kind, seed, start, stop, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours, start, time.monotonic() + 60, stop)  # importing and making seeds take their time


def _work(kind: str, seed: int, start: int, stop: int, pipe: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        seeds = seeds_of(kind, Path(folder))
        settled = 0
        for number in range(start, stop):
            path = Path(folder) / f"input{KINDS[kind].suffix}"
            reason = failure_of(kind, input_of(kind, seed, number, seeds), path)
            if number == start + WARM_UP:
                settled = memory()
            if number == stop - 1 and settled and memory() - settled > GROWTH:
                reason = reason or f"grew from {settled >> 20} to {memory() >> 20} MiB over {stop - start} inputs"
            pipe.send((number, reason))


def memory() -> int:
    """Bytes of this process that are in memory; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class WatchedStderr:
    """Within the block whatever reaches stderr, by C code too, goes into `text`."""

    text = ""

    def __enter__(self) -> "WatchedStderr":
        self._file = tempfile.TemporaryFile()
        self._kept = os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *_error: object) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)
        self._file.seek(0)
        self.text = self._file.read().decode("utf-8", "backslashreplace")
        self._file.close()
