"""How many requests are under way, and how much memory their bodies take: those beyond are refused at once.

A body that is still coming takes no place among those that are worked on: slow clients would take all places.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from fsrfer.serving.problems import CLOSE, ProblemError

COMING = 8
"""Bodies that may be coming, for each request that may be worked on."""

LAST_SECONDS = 3.0
"""For bodies that are still coming when the service is stopped."""


class Admission:
    """The count of what is under way.

    Attributes:
        under_way: requests that were let in and are not answered yet.
        whole: those of them whose bodies are here.
        held: bytes of their bodies.
        open: whether new ones are let in.
    """

    def __init__(self, most: int, most_bytes: int, wait: Callable[[int], float], longest_wait: float):
        """Let in so many.

        Args:
            most: requests that are worked on at a time; `COMING` times as many may still send their bodies.
            most_bytes: of all their bodies.
            wait: seconds that who comes after so many requests has to wait.
            longest_wait: seconds that nobody should have to wait; what was let in must not be lost to its time limit.
        """
        self._most, self._most_bytes, self._wait, self._longest_wait = most, most_bytes, wait, longest_wait
        self._coming: set[asyncio.Timeout] = set()
        self.under_way = self.whole = self.held = 0
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
        """Leave to send a body, and the memory that is taken for it.

        Raises:
            ProblemError: nobody is let in, or it would be sent for nothing.
        """
        if not self.open:
            raise self.full("the service is about to stop")
        self._check_place()
        if self.under_way >= COMING * self._most:
            raise self.full("too many bodies are coming")
        self.under_way += 1
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.under_way -= 1
            self.whole -= reservation.is_whole
            self.held -= reservation.held

    def enter(self) -> None:
        """A place among those that are worked on.

        Raises:
            ProblemError: there is none.
        """
        self._check_place()
        self.whole += 1

    def _check_place(self) -> None:
        if self.whole >= self._most or self._wait(self.whole) > self._longest_wait:
            raise self.full("too many requests are under way")

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
        wait = self._wait(self.whole) * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
        seconds = min(60, max(1, round(wait)))
        return ProblemError(503, "full", f"{why}; try again in {seconds} s", {"Retry-After": str(seconds), **CLOSE})


class Reservation:
    """The memory of one request, and the time that its body may take."""

    def __init__(self, admission: Admission):
        self._admission = admission
        self.held, self.is_whole = 0, False
        self.coming = admission.coming

    def take(self, size: int) -> None:
        """Memory for a part of the body.

        Raises:
            ProblemError: there is none.
        """
        self._admission.take(size)
        self.held += size

    def enter(self) -> None:
        """Be worked on, now that the body is here.

        Raises:
            ProblemError: there is no place any more.
        """
        self._admission.enter()
        self.is_whole = True


def _shorten(limit: asyncio.Timeout) -> None:
    last, now = limit.when(), asyncio.get_running_loop().time()
    limit.reschedule(min(now + LAST_SECONDS, now + LAST_SECONDS if last is None else last))
