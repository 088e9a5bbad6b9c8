"""Faces of several clients recognised together: what is there when the network is free is one batch, so load makes batches."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fsrfer.recognition.faces import FaceRecognizer
from fsrfer.types import Expression, UInt8Image

WAIT = 0.002
"""Seconds that faces wait for those of other pictures, while others are being looked at."""


@dataclass(slots=True)
class _Waiting:
    crops: UInt8Image
    heights: Sequence[float]
    cut_off: Sequence[bool]
    answer: asyncio.Future[list[Expression]]


class Batches:
    """The recogniser, for many clients at once; use it in an ``async with`` block."""

    def __init__(self, recognizer: FaceRecognizer):
        self._recognizer = recognizer
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "recognise")
        self._task: asyncio.Task[None] | None = None
        self.expected = 0

    async def __aenter__(self) -> "Batches":
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def expressions(
        self, crops: UInt8Image, heights: Sequence[float], cut_off: Sequence[bool]
    ) -> list[Expression]:
        """As `FaceRecognizer.expressions`, in a batch with the faces of others."""
        if not len(crops):
            return []
        waiting = _Waiting(crops, heights, cut_off, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        return await waiting.answer

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            together = await self._gather()
            if not together:
                continue
            crops = np.concatenate([one.crops for one in together])
            heights = [height for one in together for height in one.heights]
            cut_off = [cut for one in together for cut in one.cut_off]
            try:
                told = await loop.run_in_executor(self._thread, self._recognizer.expressions, crops, heights, cut_off)
            except Exception as error:  # theirs alone: the next batch may do better
                for one in together:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            remaining = iter(told)
            for one in together:
                answers = [next(remaining) for _ in one.heights]
                if not one.answer.done():
                    one.answer.set_result(answers)

    async def _gather(self) -> list[_Waiting]:
        """Those that wait, up to a batch; for a lone one others are waited for, as long as some are expected."""
        together = [await self._queue.get()]
        if self.expected > 1 and self._queue.empty():
            await asyncio.sleep(WAIT)
        while not self._queue.empty() and sum(len(one.heights) for one in together) < self._recognizer.batch:
            together.append(self._queue.get_nowait())
        return [one for one in together if not one.answer.done()]
