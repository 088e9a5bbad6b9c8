"""Workers that do not start, wear out, or die while nobody asks them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fsrfer.serving import wire
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


ECHO = """
import sys
from fsrfer.serving import wire
wire.write(sys.stdout.buffer, wire.Message({"ready": True}))
while (request := wire.read(sys.stdin.buffer)) is not None:
    wire.write(sys.stdout.buffer, request)
"""


@asynccontextmanager
async def echoing(pictures: int = 1000) -> AsyncIterator[WorkerPool]:
    """One worker that answers what it is asked."""
    pool = WorkerPool([sys.executable, "-c", ECHO], count=1, seconds=5, pictures=pictures)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def test_a_worn_worker_works_until_another_takes_its_place() -> None:
    async def wear_out() -> tuple[int, set[int]]:
        seen, least = set[int](), 1
        async with echoing(pictures=3) as pool:
            first = pool.pids[0]
            for number in range(2000):
                assert (await pool.run(wire.Message({"number": number}))).fields == {"number": number}
                seen |= set(pool.pids)
                least = min(least, pool.alive)
                if first not in pool.pids:
                    break
                await asyncio.sleep(0.01)
            return least, seen

    least, seen = asyncio.run(wear_out())
    assert least == 1
    assert len(seen) >= 2


def test_a_worker_that_dies_while_it_is_idle_costs_nothing() -> None:
    async def die() -> int:
        async with echoing() as pool:
            os.kill(pool.pids[0], signal.SIGKILL)
            await asyncio.sleep(0.1)
            assert (await pool.run(wire.Message({"number": 1}))).fields == {"number": 1}
            return pool.lost

    assert asyncio.run(die()) == 0
