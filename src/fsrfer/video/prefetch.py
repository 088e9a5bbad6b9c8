"""Work that overlaps: each stage runs in a thread of its own and waits when the next one has enough to do."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

_POLL = 0.1
"""Seconds between two looks at whether the reader has gone."""


@dataclass(slots=True)
class Stopwatch:
    """Seconds each stage was at work (not waiting), by name; stages write only their own."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time that making each one takes is added to a stage."""
        remaining = iter(items)
        while True:
            with self.measure(stage):
                try:
                    item = next(remaining)
                except StopIteration:
                    return
            yield item


class _End:
    """Says that a stage has no more to give, and why."""

    def __init__(self, error: BaseException | None = None):
        self.error = error


def prefetch(items: Iterable[T], size: int, drop: Callable[[T], None] | None = None) -> Iterator[T]:
    """The same items, made by a background thread that is at most ``size`` of them ahead.

    Args:
        items: made one by one in the thread; an exception there is raised here.
        size: how many may wait.
        drop: for sources that cannot wait: when the queue is full, its oldest item makes room and is given to this.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(size)
    gone = threading.Event()

    def put(item: T | _End) -> None:
        while not gone.is_set():
            try:
                waiting.put(item, timeout=0 if drop and not isinstance(item, _End) else _POLL)
                return
            except queue.Full:
                if drop and not isinstance(item, _End):
                    _make_room(waiting, drop)

    def work() -> None:
        remaining = iter(items)
        try:
            for item in remaining:
                put(item)
                if gone.is_set():
                    break
            put(_End())
        except BaseException as error:  # raised again where it can be handled
            put(_End(error))
        finally:
            close = getattr(remaining, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        gone.set()
        thread.join()


def _make_room(waiting: "queue.Queue[T | _End]", drop: Callable[[T], None]) -> None:
    try:
        oldest = waiting.get_nowait()
    except queue.Empty:
        return
    if not isinstance(oldest, _End):
        drop(oldest)
