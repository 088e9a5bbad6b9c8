"""The server around the application: sockets, the time that the head of a request may take, signals and the end."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fsrfer.errors import InputError
from fsrfer.serving import logs
from fsrfer.serving.app import guarded
from fsrfer.serving.live import LARGEST_FRAME
from fsrfer.serving.service import Service
from fsrfer.serving.settings import ServiceSettings

MOST_CONNECTIONS = 2000
"""Open sockets beyond which the server itself answers 503: a last fuse, the service's own limits are lower."""

SPARE_FILES = 200
"""Descriptors that are kept for what is no connection: workers, videos, the log."""

LONGEST_HEAD = 16 * 1024
"""Bytes of a request's head."""

KEEP_ALIVE = 5
"""Seconds that an idle connection is kept."""


def run(settings: ServiceSettings) -> None:
    """Serve until a signal comes, and end what is under way.

    Raises:
        DeviceError: the device cannot be used.
        InputError: it would be open to a network without a token, cannot listen there, or its workers do not start.
        ModelError: a model is missing, damaged, or not one of ours.
    """
    settings.check()
    with _bound(settings) as listener, logs.to_stderr():
        asyncio.run(_serve(settings, listener))


def allow_files(wanted: int) -> int:
    """How many files and connections this process may have open, raised to what is wanted where the system lets it."""
    try:
        import resource
    except ImportError:  # Windows
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


def _bound(settings: ServiceSettings) -> socket.socket:
    """A socket at the address, before anything is loaded; nobody can connect to it yet.

    Raises:
        InputError: it cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as unless_bound:
            listener = unless_bound.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            unless_bound.pop_all()
    except OSError as error:
        where = f"--host {settings.host} --port {settings.port}"
        raise InputError(f"{where}: cannot listen there ({error.strerror or error}); choose another") from error
    return listener


async def _serve(settings: ServiceSettings, listener: socket.socket) -> None:
    service = Service(settings)
    server = _Server(_configured(service), service)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    try:
        await server.serve([listener])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if not server.started:
        raise InputError(
            "the service could not be started: its workers ended at once; give it more memory, or fewer --workers"
        )
    logs.event("stopped")


def _configured(service: Service) -> uvicorn.Config:
    settings = service.settings

    class Protocol(TimedProtocol):
        head_seconds = settings.head_seconds

    return uvicorn.Config(
        guarded(service),
        http=Protocol,
        ws="websockets-sansio",
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        limit_concurrency=max(1, min(MOST_CONNECTIONS, allow_files(MOST_CONNECTIONS + SPARE_FILES) - SPARE_FILES)),
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.stop_seconds),
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan="on",
    )


class _Server(uvicorn.Server):
    """A server whose signals are ours, and that says when it listens."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """None: the loop has them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started:
            assert sockets is not None
            host, port = sockets[0].getsockname()[:2]
            logs.event("listening", host=host, port=port, workers=self._service.pool.alive)

    def stop(self) -> None:
        """Let what is under way end, and nobody in; asked twice, wait for nothing."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._service.stop()


class TimedProtocol(H11Protocol):
    """HTTP/1.1 whose connections are closed when a request's head does not come in time, or its answer is not taken."""

    head_seconds = 10.0
    send_seconds = 30.0
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.head_seconds, self._close_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._deadline.cancel()
        if self._untaken:
            self._untaken.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what is written."""
        super().pause_writing()
        self._untaken = self.loop.call_later(self.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It takes it."""
        super().resume_writing()
        if self._untaken:
            self._untaken.cancel()

    def on_response_complete(self) -> None:
        """Begin to wait for the next head."""
        self._deadline.cancel()
        self._deadline = self.loop.call_later(self.head_seconds, self._close_if_idle)
        super().on_response_complete()

    def _close_if_idle(self) -> None:
        """Close what has sent no whole head since it was last answered, or still sends the body of what was answered."""
        idle = self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE
        if idle and not self.transport.is_closing():
            self.transport.abort()
