"""What goes wrong for a client, each as one line: ``application/problem+json`` (RFC 9457)."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"

UNREAD = 32 * 2**20
"""Bytes of a body that are read on after it was refused, so that its sender can read the answer: a proxy that is reset says
502."""

UNREAD_SECONDS = 2.0
"""For how long they are read on."""

CLOSE = {"Connection": "close"}
"""Of answers to bodies that were not read to their end."""


class ProblemError(Exception):
    """A request that gets no answer but a problem."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None):
        """Say what is wrong.

        Args:
            status: of HTTP.
            kind: a short name that programs can rely on.
            detail: one line: what, and what to do.
            headers: of the answer.
        """
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, dict(headers or {})

    @classmethod
    def of_status(cls, status: int, headers: Mapping[str, str] | None = None) -> Self:
        """A problem that has nothing to say beyond its status."""
        title = HTTPStatus(status).phrase
        return cls(status, title.lower().replace(" ", "-"), HTTPStatus(status).description or title, headers)

    def response(self) -> "ProblemResponse":
        """The answer."""
        told = Problem(
            type=f"urn:fsrfer:problem:{self.kind}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
        )
        return ProblemResponse(json.dumps(told.__dict__), self.status, self.headers, MEDIA_TYPE)


class ProblemResponse(Response):
    """A problem on its way out; where it closes the connection, some of the body that was refused is read on before.

    A connection that is closed on unread bytes is reset, and the client would not see the answer.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if self.headers.get("connection") != "close":
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _read_on(receive)
        await send({"type": "http.response.body", "body": b""})


async def _read_on(receive: Receive) -> None:
    total, more = 0, True
    try:
        async with asyncio.timeout(UNREAD_SECONDS):
            while more and total < UNREAD:
                message = await receive()
                total += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        return


@dataclass(frozen=True)
class Problem:
    """What is wrong with a request.

    Attributes:
        type: a name that programs can rely on, ``urn:fsrfer:problem:`` and a short word.
        title: of the status.
        status: of HTTP.
        detail: one line for people: what is wrong, and what to do.
    """

    type: str
    title: str
    status: int
    detail: str


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems that a route may answer with, for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
