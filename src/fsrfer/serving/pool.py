"""Workers and the queue before them: one picture a worker at a time; one that dies or hangs costs its picture alone."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from fsrfer import telemetry
from fsrfer.serving import wire

START_SECONDS = 60.0
"""Within which a worker must be ready."""

PAUSE = 1.0
"""Seconds until a worker that could not be started is tried again."""

PICTURES_A_WORKER = 2000
"""After so many a worker is replaced, so that what decoders leak stays small."""

SURROUNDINGS = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""Variables of the environment of workers."""


class WorkerLostError(Exception):
    """The worker died over the picture."""


class TookTooLongError(Exception):
    """The worker did not answer in time, and was ended."""


@dataclass(slots=True)
class _Job:
    request: wire.Message
    answer: asyncio.Future[wire.Message] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WorkerPool:
    """So many workers; `run` gives one of them a picture as soon as one is free.

    Attributes:
        lost: workers that died or were ended over a picture.
    """

    def __init__(self, command: Sequence[str], count: int, seconds: float):
        """Make a pool, to be started.

        Args:
            command: of a worker.
            count: of workers.
            seconds: that a picture may take.
        """
        self._command, self._count, self._seconds = command, count, seconds
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._workers: set[_Worker] = set()
        self.lost = 0

    @property
    def alive(self) -> int:
        """Workers that run and are ready."""
        return sum(worker.pid is not None for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers that are ready."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def start(self) -> None:
        """Start all workers, and wait until they are ready.

        Raises:
            WorkerLostError: one could not be started.
        """
        workers = await asyncio.gather(*(_Worker.start(self._command) for _ in range(self._count)))
        self._workers |= set(workers)
        self._tasks = [asyncio.create_task(self._serve(worker)) for worker in workers]

    async def run(self, request: wire.Message) -> wire.Message:
        """A worker's answer; who is cancelled while waiting costs no worker anything.

        Raises:
            WorkerLostError: the worker died over it.
            TookTooLongError: it took longer than a picture may.
        """
        job = _Job(request)
        self._queue.put_nowait(job)
        return await job.answer

    async def close(self) -> None:
        """End all workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._workers))
        self._workers.clear()

    async def _serve(self, worker: "_Worker") -> None:
        """Jobs one after another, on one worker and those that take its place."""
        while True:
            job = await self._queue.get()
            if job.answer.done():
                continue
            if not worker.whole:
                worker = await self._replacement(worker)
            await self._do(worker, job)
            if not worker.whole:
                worker = await self._replacement(worker)

    async def _do(self, worker: "_Worker", job: _Job) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                reply = await worker.ask(job.request)
        except TimeoutError:
            worker.whole = False
            self.lost += 1
            _fail(job, TookTooLongError())
        except (EOFError, OSError, wire.WireError):
            worker.whole = False
            self.lost += 1
            _fail(job, WorkerLostError())
        except asyncio.CancelledError:
            worker.whole = False
            _fail(job, WorkerLostError())
            raise
        else:
            if not job.answer.done():
                job.answer.set_result(reply)

    async def _replacement(self, worn: "_Worker") -> "_Worker":
        await worn.end()
        self._workers.discard(worn)
        while True:
            try:
                worker = await _Worker.start(self._command)
            except (WorkerLostError, OSError):
                await asyncio.sleep(PAUSE)
            else:
                self._workers.add(worker)
                return worker


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)


class _Worker:
    """One process, and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process
        self._pictures = 0
        self.whole = True

    @classmethod
    async def start(cls, command: Sequence[str]) -> "_Worker":
        """A worker that is ready.

        Raises:
            WorkerLostError: it could not be started.
        """
        telemetry.switch_off()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **SURROUNDINGS},
            limit=2**20,
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker._receive()
        except BaseException as error:
            await worker.end()
            if isinstance(error, EOFError | OSError | wire.WireError | TimeoutError):
                raise WorkerLostError("a worker could not be started") from error
            raise
        return worker

    @property
    def pid(self) -> int | None:
        """Its number; None once it has ended."""
        return self._process.pid if self._process.returncode is None else None

    async def ask(self, request: wire.Message) -> wire.Message:
        """Its answer to a request."""
        assert self._process.stdin is not None
        self._process.stdin.writelines(wire.encoded(request))
        await self._process.stdin.drain()
        reply = await self._receive()
        self._pictures += 1
        self.whole = self._pictures < PICTURES_A_WORKER
        return reply

    async def end(self) -> None:
        """End the process, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _receive(self) -> wire.Message:
        assert self._process.stdout is not None
        return await wire.receive(self._process.stdout)
