"""A small HTTP server that streams as a camera does: paced, one clip a connection, and then it hangs up."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECES = 40
"""In which a clip is sent."""


class Streams:
    """What each connection in turn is answered with; after the last one, connections are refused.

    Attributes:
        address: of the stream.
        asked: connections so far.
    """

    def __init__(self, clips: Sequence[Path | None], seconds: float, hang: float = 0.0) -> None:
        """Begin to serve.

        Args:
            clips: the files, by connection; None refuses it.
            seconds: that sending one takes.
            hang: seconds that a connection is left open in silence once its clip is sent.
        """
        self._clips = [clip and clip.read_bytes() for clip in clips]
        self._seconds, self._hang, self.asked = seconds, hang, 0
        self._closed = threading.Event()
        streams = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                streams.asked += 1
                content = streams.next_clip()
                if content is None:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                with suppress(OSError):  # the reader may go at any moment
                    for piece in streams.paced(content):
                        self.wfile.write(piece)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/hall.ts"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def next_clip(self) -> bytes | None:
        return self._clips.pop(0) if self._clips else None

    def paced(self, content: bytes) -> Iterator[bytes]:
        size = -(-len(content) // PIECES)
        for start in range(0, len(content), size):
            yield content[start : start + size]
            if self._closed.wait(self._seconds / PIECES):
                return
        self._closed.wait(self._hang)

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def streaming(clips: Sequence[Path | None], seconds: float = 1.0, hang: float = 0.0) -> Iterator[Streams]:
    """Streams for the time of a block."""
    streams = Streams(clips, seconds, hang)
    try:
        yield streams
    finally:
        streams.close()
