"""Logs: one line of JSON an event on stderr, with nothing of pictures, names, tokens or addresses' queries."""

import contextlib
import json
import logging
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

LOGGER = logging.getLogger("fsrfer.serving")

LONGEST = 300
"""Characters of a text in a log."""

LEVELS = {"fsrfer.serving": logging.INFO, "uvicorn": logging.WARNING, "asyncio": logging.ERROR}
"""What is written of whom."""

MOST_WAITING = 10_000
"""Lines that may wait to be written."""

LAST_SECONDS = 2.0
"""In which those that wait at the end are written."""


def event(name: str, level: int = logging.INFO, **facts: Any) -> None:
    """Write an event."""
    LOGGER.log(level, name, extra={"facts": facts})


def where(error: BaseException) -> str:
    """An unexpected error by its type and place alone: its message may hold what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


class JsonLines(logging.Formatter):
    """Log records as JSON, texts cut to `LONGEST`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {"time": f"{moment}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        facts = getattr(record, "facts", None)
        told |= {"event": record.getMessage()[:LONGEST], **(facts or {})}
        if record.exc_info and record.exc_info[1] is not None:
            told["error"] = where(record.exc_info[1])
        return json.dumps({name: value[:LONGEST] if isinstance(value, str) else value for name, value in told.items()})


@contextmanager
def to_stderr() -> Iterator[None]:
    """Within the block the service's events, and what the server itself warns of, go to stderr.

    A thread writes them: where nobody reads them, lines are lost and no client has to wait.
    """
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(MOST_WAITING)
    writer = threading.Thread(target=_write, args=(waiting, sys.stderr), name="log", daemon=True)
    writer.start()
    handler = _Handler(waiting)
    before = [(logging.getLogger(name), level, logging.getLogger(name).level) for name, level in LEVELS.items()]
    for logger, level, _ in before:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, _, level in before:
            logger.removeHandler(handler)
            logger.propagate = True
            logger.setLevel(level)
        with contextlib.suppress(queue.Full):
            waiting.put_nowait(None)
        writer.join(LAST_SECONDS)


class _Handler(logging.Handler):
    """Puts records where the writing thread finds them, or forgets them."""

    def __init__(self, waiting: "queue.Queue[logging.LogRecord | None]"):
        super().__init__()
        self._waiting = waiting

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(record)


def _write(waiting: "queue.Queue[logging.LogRecord | None]", stderr: TextIO) -> None:
    stream = logging.StreamHandler(stderr)
    stream.setFormatter(JsonLines())
    while (record := waiting.get()) is not None:
        stream.handle(record)
