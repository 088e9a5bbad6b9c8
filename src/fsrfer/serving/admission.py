"""How many requests are under way, and how much memory their bodies take: those beyond are refused at once."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fsrfer.serving.problems import CLOSE, ProblemError

LAST_SECONDS = 3.0
"""For bodies that are still coming when the service is stopped."""

WEIGHT_OF_NEWEST = 0.2
"""How much of the newest request's time goes into the mean that clients are told to wait by."""


class Admission:
    """The count of what is under way.

    Attributes:
        under_way: requests that were let in and are not answered yet.
        held: bytes of their bodies.
        open: whether new ones are let in.
    """

    def __init__(self, most: int, most_bytes: int, at_once: int):
        """Let in so many.

        Args:
            most: requests at a time.
            most_bytes: of all their bodies.
            at_once: requests that are worked on at a time, by which the time to wait is told.
        """
        self._most, self._most_bytes, self._at_once = most, most_bytes, at_once
        self._mean = 0.5
        self._coming: set[asyncio.Timeout] = set()
        self.under_way = self.held = 0
        self.open = True

    def close(self) -> None:
        """Let nobody in any more; bodies that are still coming have `LAST_SECONDS`."""
        self.open = False
        for limit in self._coming:
            _shorten(limit)

    @asynccontextmanager
    async def coming(self, seconds: float) -> AsyncIterator[None]:
        """Within the block a body comes; it may take so long.

        Raises:
            TimeoutError: it takes longer.
        """
        async with asyncio.timeout(seconds) as limit:
            self._coming.add(limit)
            try:
                yield
            finally:
                self._coming.discard(limit)

    @contextmanager
    def admitted(self) -> Iterator["Reservation"]:
        """A place among those under way, and the memory that is taken in it.

        Raises:
            ProblemError: there is none.
        """
        if not self.open:
            raise self.full("the service is about to stop")
        if self.under_way >= self._most:
            raise self.full("too many requests are under way")
        self.under_way += 1
        reservation = Reservation(self)
        began = time.monotonic()
        try:
            yield reservation
        finally:
            self.under_way -= 1
            self.held -= reservation.held
            self._mean += WEIGHT_OF_NEWEST * (time.monotonic() - began - self._mean) / max(1, self.under_way)

    def take(self, size: int) -> None:
        """Memory for a part of a body.

        Raises:
            ProblemError: there is none.
        """
        if self.held + size > self._most_bytes:
            raise self.full("too much is being uploaded")
        self.held += size

    def full(self, why: str) -> ProblemError:
        """What is told to who cannot be let in: when to try again, not all at the same moment."""
        wait = self._mean * self.under_way / self._at_once * random.uniform(0.75, 1.5)  # noqa: S311 (no secret)
        seconds = min(60, max(1, round(wait)))
        return ProblemError(503, "full", f"{why}; try again in {seconds} s", {"Retry-After": str(seconds), **CLOSE})


class Reservation:
    """The memory of one request, and the time that its body may take."""

    def __init__(self, admission: Admission):
        self._admission = admission
        self.held = 0
        self.coming = admission.coming

    def take(self, size: int) -> None:
        """Memory for a part of the body.

        Raises:
            ProblemError: there is none.
        """
        self._admission.take(size)
        self.held += size


def _shorten(limit: asyncio.Timeout) -> None:
    last, now = limit.when(), asyncio.get_running_loop().time()
    limit.reschedule(min(now + LAST_SECONDS, now + LAST_SECONDS if last is None else last))
