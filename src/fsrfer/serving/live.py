"""Live frames over a WebSocket: followed faces out, the newest frame only, one session's state bounded.

A frame that comes while another is being looked at takes the place of one that waits; what was passed over is counted.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from fsrfer.recognition.faces import FaceRecognizer
from fsrfer.serving import logs
from fsrfer.serving.answers import followed
from fsrfer.serving.problems import ProblemError
from fsrfer.serving.service import Service
from fsrfer.serving.uploads import Upload
from fsrfer.types import Detections, UInt8Image
from fsrfer.video.recognizer import VideoRecognizer

LARGEST_FRAME = 2**20
"""Bytes of a frame."""

FRAME_PIXELS = 2_100_000
"""Of a frame: a little over 1920 x 1080."""

TOKEN_SECONDS = 5.0
"""Within which a page must show the token, which it cannot do in a header."""

IDLE_SECONDS = 60.0
"""Without a frame, after which a session ends."""

LONGEST_SESSION = 3600.0

SEND_SECONDS = 10.0
"""Within which an answer must be taken."""

POLICY, TOO_MANY, FAULT, UNSUPPORTED = 1008, 1013, 1011, 1003
"""Codes of closing."""


class Live:
    """The sessions of a service.

    Attributes:
        sessions: how many there are.
    """

    def __init__(self, service: Service):
        self._service = service
        self._thread = ThreadPoolExecutor(1, "live")
        self.sessions = 0

    async def serve(self, socket: WebSocket) -> None:
        """One session, from its opening to its end."""
        await socket.accept()
        began, session = time.monotonic(), None
        try:
            await self._check(socket)
            self.sessions += 1
            try:
                session = _Session(socket, self._service, self._thread)
                async with asyncio.timeout(LONGEST_SESSION):
                    await session.run()
            finally:
                self.sessions -= 1
        except _ClosedError as closed:
            await _close(socket, closed.code, str(closed))
        except TimeoutError:
            await _close(socket, POLICY, "the session took too long")
        except WebSocketDisconnect:
            pass
        except Exception as error:
            logs.event("fault", logging.ERROR, error=logs.where(error))
            await _close(socket, FAULT, "a fault of the service")
        frames, skipped = (session.answered, session.skipped) if session else (0, 0)
        logs.event("live", s=round(time.monotonic() - began, 1), frames=frames, skipped=skipped)

    async def _check(self, socket: WebSocket) -> None:
        """Whether there is a place, and the client may have it.

        Raises:
            _ClosedError: there is none, or it may not.
        """
        settings = self._service.settings
        if settings.token is not None and not socket.scope.get("fsrfer.admitted"):
            try:
                async with asyncio.timeout(TOKEN_SECONDS):
                    shown = json.loads(await socket.receive_text())["token"]
            except (TimeoutError, KeyError, TypeError, ValueError):
                shown = ""
            if not isinstance(shown, str) or not settings.admits(shown.encode("utf-8", "replace")):
                raise _ClosedError(POLICY, 'show the token in the first message: {"token": "..."}')
        if importlib.util.find_spec("scipy") is None:
            raise _ClosedError(FAULT, "this service follows no faces: the extra 'video' is not installed")
        if not self._service.admission.open or self.sessions >= settings.live_sessions:
            raise _ClosedError(TOO_MANY, "too many sessions; try again later")


class _Session:
    """One client's frames, and the faces that are followed in them."""

    def __init__(self, socket: WebSocket, service: Service, thread: ThreadPoolExecutor):
        faces: FaceRecognizer = service.recognizer
        self._socket, self._service, self._thread = socket, service, thread
        self._found = _Found()
        self._recognizer = VideoRecognizer(faces.model, self._found, 1, faces.rule.min_face)
        self._began = time.monotonic()
        self._newest: bytes | None = None
        self._came = asyncio.Event()
        self._number = self.answered = self.skipped = 0

    async def run(self) -> None:
        """Take frames and answer the newest, until the client goes or is told to."""
        await self._send({"ready": True, "max_bytes": LARGEST_FRAME, "max_pixels": FRAME_PIXELS})
        tasks = [asyncio.create_task(self._take()), asyncio.create_task(self._answer_all())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            task.result()

    async def _take(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is None or len(data) > LARGEST_FRAME:
                raise _ClosedError(UNSUPPORTED, f"a frame is a binary message of up to {LARGEST_FRAME} bytes")
            self._number += 1
            self.skipped += self._newest is not None
            self._newest = data
            self._came.set()

    async def _answer_all(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._came.wait()
            except TimeoutError:
                raise _ClosedError(POLICY, f"no frame came within {IDLE_SECONDS:g} s") from None
            self._came.clear()
            data, self._newest, number = self._newest, None, self._number
            assert data is not None
            try:
                told = await self._answer(data)
            except ProblemError as problem:
                told = {"error": problem.detail}
            self.answered += 1
            await self._send({"frame": number, "skipped": self.skipped, **told})

    async def _answer(self, data: bytes) -> dict[str, Any]:
        rgb, self._found.newest = await self._service.frame(Upload("frame", data), FRAME_PIXELS)
        moment = time.monotonic() - self._began
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._thread, self._recognizer.update, rgb, moment)
        return followed(result, self._service.settings.smallest)

    async def _send(self, told: dict[str, Any]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._socket.send_json(told)


class _Found:
    """Faces that a worker has found already, as a detector."""

    def __init__(self) -> None:
        self.newest = Detections.none()

    def detect(self, image: UInt8Image) -> Detections:
        """Those of the newest frame."""
        del image
        return self.newest


class _ClosedError(Exception):
    """A session that is ended by the service."""

    def __init__(self, code: int, why: str):
        super().__init__(why)
        self.code = code


async def _close(socket: WebSocket, code: int, why: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it is closed already
        await socket.close(code, why)
