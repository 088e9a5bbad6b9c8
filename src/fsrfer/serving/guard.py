"""What stands before every route, as plain ASGI: who may ask, the number of a request, headers, the log, and errors.

It runs before a body is read, which a framework's own checks do not.
"""

import logging
import re
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fsrfer.serving import logs
from fsrfer.serving.metrics import Metrics
from fsrfer.serving.page import PATHS
from fsrfer.serving.problems import CLOSE, ProblemError
from fsrfer.serving.settings import ServiceSettings

OPEN = frozenset({"/healthz", "/readyz"})
"""Paths that are asked for by machines which know neither names nor tokens, and that tell nothing."""

WITHOUT_TOKEN = OPEN | PATHS | {"/openapi.json"}

SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer that has not its own."""

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, metrics: Metrics):
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        try:
            self._check(scope)
            await self._app(scope, receive, answer.send)
        except ProblemError as problem:
            await problem.response()(scope, receive, answer.send)
        except Exception as error:
            logs.event("fault", logging.ERROR, id=answer.id, error=logs.where(error))
            if not answer.begun:
                await ProblemError.of_status(500).response()(scope, receive, answer.send)
        self._note(scope, answer)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a WebSocket through if it is opened by a page of ours or by no page; browsers ask nobody before."""
        headers = Headers(scope=scope)
        try:
            check_host(headers, self._settings)
            check_origin(headers, "POST")
        except ProblemError:
            await send({"type": "websocket.close", "code": 1008})
            return
        scope["fsrfer.admitted"] = self._settings.admits(_bearer(headers))
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Whether a client may ask.

        Raises:
            ProblemError: it may not.
        """
        if scope["path"] in OPEN:
            return
        headers = Headers(scope=scope)
        check_host(headers, self._settings)
        check_origin(headers, scope["method"])
        if scope["path"] not in WITHOUT_TOKEN and not self._settings.admits(_bearer(headers)):
            raise ProblemError(
                401,
                "token",
                "show the service's token: Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer", **CLOSE},
            )

    def _note(self, scope: Scope, answer: "_Answer") -> None:
        """One line in the log, one more in the figures."""
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE") else "other"
        seconds = time.perf_counter() - answer.began
        self._metrics.request(method, route, answer.status, seconds)
        ms = round(seconds * 1000, 1)
        logs.event("request", id=answer.id, method=method, route=route, status=answer.status, ms=ms)


class _Answer:
    """One answer on its way out, with the headers that each has."""

    def __init__(self, scope: Scope, send: Send):
        self._send, self.begun = send, False
        self.began = time.perf_counter()
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.id
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
        await self._send(message)


def check_host(headers: Mapping[str, str], settings: ServiceSettings) -> None:
    """Whether a client asks for a name of ours: a page of a stranger whose name leads here (DNS rebinding) does not.

    Raises:
        ProblemError: it does not.
    """
    host = headers.get("host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in settings.hosts:
        raise ProblemError(
            421, "host", "the service is not known by this name; it is told its names by --allowed-host", CLOSE
        )


def check_origin(headers: Mapping[str, str], method: str) -> None:
    """Whether what changes or costs something is asked for by a page of ours, or by no page at all.

    Raises:
        ProblemError: it is asked for by a page of another origin.
    """
    if method in ("GET", "HEAD"):
        return
    origin, host = headers.get("origin"), headers.get("host", "")
    foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise ProblemError(403, "origin", "pages of other origins may not use the service", CLOSE)


def _bearer(headers: Mapping[str, str]) -> bytes:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""
