"""The work behind the routes: pictures through a worker, their faces through the batches, results put together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fsrfer.group.estimate import estimate_group
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.recognition.faces import FaceRecognizer, heights_of
from fsrfer.serving import wire
from fsrfer.serving.admission import Admission
from fsrfer.serving.batching import Batches
from fsrfer.serving.jobs import Jobs
from fsrfer.serving.pace import Pace
from fsrfer.serving.pool import TookTooLongError, WorkerLostError, WorkerPool
from fsrfer.serving.problems import ProblemError
from fsrfer.serving.settings import ServiceSettings
from fsrfer.serving.uploads import ClientGoneError, Upload, check_picture
from fsrfer.serving.worker import WorkerPlan
from fsrfer.types import Detections, Expression, UInt8Image

LONGEST_WAIT = 0.5
"""Part of a request's time that it may have to wait; where more are under way, others are refused."""

T = TypeVar("T")
P = ParamSpec("P")


class Service:
    """Workers, batches and what is under way; use `running` as an ``async with`` block.

    Attributes:
        settings: what it was told.
        recognizer: of the faces.
        pool: the workers.
        pace: how quickly pictures are answered.
        admission: what is under way.
        jobs: videos.
        ready: whether it can answer.
    """

    def __init__(self, settings: ServiceSettings):
        """Load the recogniser.

        Raises:
            DeviceError: the device cannot be used.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self.settings = settings
        self.recognizer = FaceRecognizer(
            settings.model, settings.detector, settings.threads or 1, settings.min_face, settings.device
        )
        _ = self.recognizer.detector  # so that a missing one is known before workers fail over it
        info = self.recognizer.model.info
        plan = WorkerPlan(
            detector=str(settings.detector),
            size=info.size,
            margin=info.margin,
            colour=info.colour,
            max_pixels=settings.max_pixels,
            seconds=settings.picture_seconds,
        )
        self.pool = WorkerPool(plan.command(), settings.processes, settings.picture_seconds)
        self.pace = Pace(settings.processes)
        self.admission = Admission(settings.queue, settings.memory, self.pace.wait, settings.seconds * LONGEST_WAIT)
        self.jobs = Jobs(settings)
        self._batches = Batches(self.recognizer)
        self.started = time.time()
        self.ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Within the block workers and batches run, warm."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._batches)
            stack.push_async_callback(self.pool.close)
            await self.pool.start()
            stack.push_async_callback(self.jobs.close)
            blank = np.zeros((1, self._side, self._side, *self._channels), np.uint8)
            await self._batches.expressions(blank, [float(self._side)], [False])
            self.ready = True
            yield self
            self.ready = False

    def stop(self) -> None:
        """Let nobody in any more; what is under way goes on."""
        self.ready = False
        self.admission.close()

    async def photos(self, uploads: Sequence[Upload]) -> list[PhotoResult]:
        """All photos, in their order; where there are several, one that fails has an error.

        Raises:
            ProblemError: the only one failed.
        """
        if len(uploads) == 1:
            return [await self._photo(uploads[0])]
        return await _all([self._photo_or_error(upload) for upload in uploads])

    async def crops(self, uploads: Sequence[Upload]) -> list[CropResult]:
        """All crops, as for `photos`."""
        if len(uploads) == 1:
            return [await self._crop(uploads[0])]
        return await _all([self._crop_or_error(upload) for upload in uploads])

    async def frame(self, upload: Upload, most_pixels: int) -> tuple[UInt8Image, Detections]:
        """A frame's pixels (RGB, height x width x 3), and its faces.

        Raises:
            ProblemError: it cannot be looked at, or has more pixels than allowed.
        """
        reply = await self._look("frame", upload, most_pixels)
        width, height, faces = (reply.number(name) for name in ("width", "height", "faces"))
        return wire.greys(reply.blobs[3], height, width, 3), reply.detections(faces)

    async def _photo(self, upload: Upload) -> PhotoResult:
        with self.pace.picture():
            return await self._looked_at(upload)

    async def _looked_at(self, upload: Upload) -> PhotoResult:
        reply = await self._look("faces", upload)
        width, height, faces = (reply.number(name) for name in ("width", "height", "faces"))
        found = reply.detections(faces)
        crops = wire.greys(reply.blobs[3], faces, self._side, self._side, *self._channels)
        answers = await self._batches.expressions(crops, heights_of(found), reply.flags("cut_off", faces))
        return await asyncio.to_thread(self._result, upload.name, (width, height), found, answers)

    def _result(
        self, name: str, size: tuple[int, int], found: Detections, answers: Sequence[Expression]
    ) -> PhotoResult:
        info = self.recognizer.model.info
        faces = self.recognizer.assemble(found, answers)
        return PhotoResult(name, *size, faces, estimate_group(faces, info), info=info, device=self.recognizer.device)

    async def _photo_or_error(self, upload: Upload) -> PhotoResult:
        try:
            return await self._photo(upload)
        except ProblemError as problem:
            return PhotoResult.failed(upload.name, problem.detail)

    async def _crop(self, upload: Upload) -> CropResult:
        reply = await self._look("crop", upload)
        crop = wire.greys(reply.blobs[0], 1, self._side, self._side, *self._channels)
        (answer,) = await self._batches.expressions(crop, [float(reply.number("height"))], [False])
        return CropResult(upload.name, answer, device=self.recognizer.device)

    async def _crop_or_error(self, upload: Upload) -> CropResult:
        try:
            return await self._crop(upload)
        except ProblemError as problem:
            return CropResult(upload.name, None, problem.detail)

    async def _look(self, task: str, upload: Upload, most_pixels: int | None = None) -> "_Reply":
        """A worker's answer to a picture.

        Raises:
            ProblemError: it is no picture, too large, cannot be read, or ended the worker.
        """
        check_picture(upload.data)
        limit = min(most_pixels or self.settings.max_pixels, self.settings.max_pixels)
        self._batches.expected += 1
        try:
            reply = await self.pool.run(wire.Message({"task": task, "max_pixels": limit}, [upload.data]))
        except WorkerLostError:
            raise ProblemError(422, "unreadable", "the picture cannot be read: its decoder crashed") from None
        except TookTooLongError:
            seconds = self.settings.picture_seconds
            raise ProblemError(422, "unreadable", f"the picture cannot be read within {seconds:g} s") from None
        finally:
            self._batches.expected -= 1
        match reply.fields.get("error"):
            case None:
                return _Reply(reply)
            case "too large":
                raise ProblemError(
                    413, "too-many-pixels", f"the limit is {limit / 10**6:g} megapixels; shrink the picture"
                )
            case _:
                raise ProblemError(422, "unreadable", str(reply.fields.get("why")))

    @property
    def _side(self) -> int:
        return self.recognizer.model.info.size

    @property
    def _channels(self) -> tuple[int, ...]:
        return () if self.recognizer.model.info.colour == "grey" else (3,)


class _Reply:
    """What a worker found; its fields are believed as little as the picture."""

    def __init__(self, message: wire.Message):
        self._fields, self.blobs = message.fields, message.blobs

    def number(self, name: str) -> int:
        return int(self._fields[name])

    def flags(self, name: str, count: int) -> list[bool]:
        flags = [bool(flag) for flag in self._fields[name]]
        if len(flags) != count:
            raise wire.WireError("as many flags as faces are wanted")
        return flags

    def detections(self, count: int) -> Detections:
        boxes, scores = wire.floats(self.blobs[0], count, 4), wire.floats(self.blobs[1], count)
        points = wire.floats(self.blobs[2], count, 5, 2) if self._fields["landmarks"] else None
        return Detections(boxes, scores, points)


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; once one raises, or the caller is cancelled, none goes on."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


async def unless_gone(gone: Callable[[], Coroutine[Any, Any, None]], work: Coroutine[Any, Any, T], seconds: float) -> T:
    """A result, unless the client goes away or time is up before; the work is then cancelled.

    Raises:
        ClientGoneError: nobody waits for it.
        ProblemError: it took too long.
    """
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()
        if tasks[1].done():
            raise ClientGoneError
        raise ProblemError(504, "too-slow", f"there was no answer within {seconds:g} s; try again later")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
