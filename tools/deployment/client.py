"""A client of the service, as strict as the checks need: one connection, one request, nothing followed or repeated."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

PATIENCE = 90.0
"""Seconds that a service may take to start."""


class CheckError(Exception):
    """Something is not as the documentation says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Client:
    """Asks at an address, by a name.

    Attributes:
        port: on this machine.
        token: that is shown.
        name: that is asked for.
        tls: how to check the server's certificate; None for plain HTTP.
    """

    port: int
    token: str
    name: str = "localhost"
    tls: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; ``body`` are bytes, or an iterator of them to be sent in chunks without a length."""
        with self._connection() as connection:
            given = {"Host": self.name, "Authorization": f"Bearer {self.token}"}
            given |= {name.replace("_", "-"): value for name, value in headers.items()}
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):  # refused before all was sent
                connection.request(method, path, body, given, encode_chunked=isinstance(body, Iterator))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def head_only(self, path: str, length: int) -> Answer:
        """The answer to a request of which the head alone is sent."""
        with self._connection() as connection:
            connection.putrequest("POST", path, skip_host=True)
            for name, value in {"Host": self.name, "Authorization": "Bearer wrong", "Content-Length": str(length)}.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), b"")

    def wait(self) -> None:
        """Until the service can answer.

        Raises:
            CheckError: it does not in time.
        """
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if self.ask("GET", "/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise CheckError(f"the service is not ready after {PATIENCE:g} s")

    @contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        connection: http.client.HTTPConnection
        if self.tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=70)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=70, context=self.tls)
        try:
            yield connection
        finally:
            connection.close()


def expect(what: str, found: object, *wanted: object) -> None:
    """Say that something is as it should be.

    Raises:
        CheckError: it is not.
    """
    if found not in wanted:
        raise CheckError(f"{what}: {found!r}, not {' or '.join(map(repr, wanted))}")
    print(f"  {what}: {found}", flush=True)
