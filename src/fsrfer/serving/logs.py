"""Logs: one line of JSON an event on stderr, with nothing of pictures, names, tokens or addresses' queries."""

import json
import logging
import sys
import time
import traceback
from typing import Any

LOGGER = logging.getLogger("fsrfer.serving")

LONGEST = 300
"""Characters of a text in a log."""


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


def set_up() -> None:
    """Send the service's events, and what the server itself warns of, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("fsrfer.serving", logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
