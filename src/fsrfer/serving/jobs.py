"""Videos, each a job: so many at a time, held in memory while they are watched, their results forgotten after a while."""

import asyncio
import contextlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fsrfer.serving import wire
from fsrfer.serving.pool import SURROUNDINGS
from fsrfer.serving.problems import ProblemError
from fsrfer.serving.settings import ServiceSettings
from fsrfer.serving.uploads import Upload
from fsrfer.serving.video_worker import VideoPlan

KEPT = 100
"""Finished jobs that are remembered; beyond, the oldest is forgotten before its time."""


@dataclass(frozen=True)
class VideoJob:
    """One video that was sent.

    Attributes:
        id: by which the job is asked for; nobody can guess it.
        status: ``waiting``, ``running``, ``done`` or ``failed``.
        frames: looked at so far.
        read_to, duration: seconds of the video that were watched, and that it declares to have.
        error: why it failed, in one line.
        summary: of one that is done: the content of ``summary.json``.
    """

    id: str
    status: Literal["waiting", "running", "done", "failed"]
    frames: int
    read_to: float
    duration: float | None
    error: str | None
    summary: dict[str, Any] | None


@dataclass(slots=True)
class _Job:
    """How a job is at the moment."""

    id: str
    facts: dict[str, Any] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    ended: float | None = None

    def told(self) -> VideoJob:
        blank = {"status": "waiting", "frames": 0, "read_to": 0.0, "duration": None, "error": None, "summary": None}
        return VideoJob(self.id, **{**blank, **self.facts})


class Jobs:
    """The videos of a service."""

    def __init__(self, settings: ServiceSettings):
        self._settings = settings
        self._jobs: dict[str, _Job] = {}
        self._running = asyncio.Semaphore(1)

    @property
    def under_way(self) -> int:
        """Jobs that are not ended yet."""
        return sum(job.ended is None for job in self._jobs.values())

    def check_place(self) -> None:
        """Whether there is a place for one more.

        Raises:
            ProblemError: there is none.
        """
        if self.under_way >= self._settings.videos:
            raise ProblemError(503, "full", "too many videos are under way; try again later", {"Retry-After": "30"})

    def add(self, video: Upload, every: float, aggregate_only: bool) -> VideoJob:
        """Begin a job.

        Raises:
            ProblemError: there is no place for it.
        """
        self.check_place()
        self._forget()
        job = _Job(secrets.token_urlsafe(16))
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._run(job, video, every, aggregate_only))
        return job.told()

    def get(self, number: str) -> VideoJob:
        """How a job is.

        Raises:
            ProblemError: there is none of that number, or no more.
        """
        self._forget()
        return self._job(number).told()

    async def remove(self, number: str) -> None:
        """End a job if it runs, and forget it.

        Raises:
            ProblemError: there is none of that number, or no more.
        """
        job = self._job(number)
        del self._jobs[number]
        assert job.task is not None
        job.task.cancel()
        await asyncio.gather(job.task, return_exceptions=True)

    async def close(self) -> None:
        """End all jobs."""
        await asyncio.gather(*(self.remove(number) for number in list(self._jobs)))

    def _job(self, number: str) -> _Job:
        if number not in self._jobs:
            raise ProblemError(404, "no-such-job", "no such job; results are kept for a while only")
        return self._jobs[number]

    def _forget(self) -> None:
        """Forget what ended long ago."""
        ended = sorted((job.ended, number) for number, job in self._jobs.items() if job.ended is not None)
        before = time.monotonic() - self._settings.keep_seconds
        for place, (end, number) in enumerate(ended):
            if end < before or place < len(ended) - KEPT:
                del self._jobs[number]

    async def _run(self, job: _Job, video: Upload, every: float, aggregate_only: bool) -> None:
        settings = self._settings
        try:
            with held(video.data) as (path, inherited):
                plan = VideoPlan(
                    source=path,
                    name=video.name,
                    longest=settings.longest_video,
                    every=every,
                    aggregate_only=aggregate_only or settings.aggregate_only,
                    min_group=settings.min_group,
                    model=str(settings.model),
                    detector=str(settings.detector),
                    min_face=settings.min_face,
                )
                del video
                async with self._running:
                    job.facts["status"] = "running"
                    async with asyncio.timeout(settings.video_seconds):
                        job.facts |= await _watched(plan, inherited, job.facts.update)
        except TimeoutError:
            job.facts |= {"status": "failed", "error": f"it was not watched within {settings.video_seconds:g} s"}
        except (EOFError, OSError, wire.WireError):
            job.facts |= {"status": "failed", "error": "the video cannot be watched: its decoder crashed"}
        finally:
            job.ended = time.monotonic()
            # Nobody may ask again, so it is not left to the next question.
            asyncio.get_running_loop().call_later(settings.keep_seconds + 1, self._forget)


async def _watched(
    plan: VideoPlan, inherited: tuple[int, ...], tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """What becomes of a video; on the way ``tell`` is told how far it is."""
    process = await asyncio.create_subprocess_exec(
        *plan.command(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **SURROUNDINGS},
        pass_fds=inherited,
    )
    assert process.stdout is not None
    try:
        while True:
            message = await wire.receive(process.stdout)
            if message.blobs:
                summary = json.loads(message.blobs[0])
                return {"status": "done", "summary": summary, **{name: summary[name] for name in ("frames", "read_to")}}
            if "error" in message.fields:
                return {"status": "failed", "error": str(message.fields["error"])}
            tell({name: message.fields[name] for name in ("frames", "read_to", "duration")})
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextmanager
def held(data: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Within the block some bytes can be read at a path by a process that inherits some descriptors.

    On Linux they are in memory alone; elsewhere in a folder that only this user can read, removed with the block.
    """
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("video"), "wb") as file:  # noqa: PTH123 (no path)
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}", (file.fileno(),)
        return
    with tempfile.TemporaryDirectory(prefix="fsrfer-") as folder:
        path = Path(folder) / "video"
        path.write_bytes(data)
        yield str(path), ()
