"""Workers that do not start."""

import asyncio
import sys

import pytest

from fsrfer.serving.pool import WorkerLostError, WorkerPool


@pytest.mark.parametrize("code", ["", "print('no frame of ours, though it is long enough for one')"])
def test_a_worker_that_is_none_is_told_at_once(code: str) -> None:
    async def start() -> None:
        pool = WorkerPool([sys.executable, "-c", code], count=1, seconds=5)
        try:
            await pool.start()
        finally:
            await pool.close()

    with pytest.raises(WorkerLostError):
        asyncio.run(start())
