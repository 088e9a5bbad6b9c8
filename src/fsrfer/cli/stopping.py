"""Signals that stop a command gently."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gentle_stop() -> Iterator[list[int]]:
    """Within the block a signal is only noted, so that no frame is written by half; a second one ends at once."""
    noted: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
    before = {number: signal.getsignal(number) for number in signals}

    def handle(number: int, _frame: object) -> None:
        noted.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in signals:
        signal.signal(number, handle)
    try:
        yield noted
    finally:
        for number in signals:
            signal.signal(number, before[number])
