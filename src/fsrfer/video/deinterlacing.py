"""Interlaced frames as whole ones: two half pictures of different moments are not one face."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


class Deinterlacer:
    """Frames through FFmpeg's ``bwdif`` from the first interlaced one on; progressive videos pass untouched."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._size: tuple[int, int] | None = None

    def push(self, frame: "VideoFrame", stream: "VideoStream") -> Iterator["VideoFrame"]:
        """The frames that are whole now, given the next one."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        if self._size != (frame.width, frame.height):
            yield from self.flush()
            self._open(frame, stream)
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> Iterator["VideoFrame"]:
        """The frames that waited for a next one."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = self._size = None

    def _open(self, frame: "VideoFrame", stream: "VideoStream") -> None:
        from av.filter import Graph

        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=stream.time_base
        )
        deinterlace, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
        source.link_to(deinterlace)
        deinterlace.link_to(sink)
        graph.configure()
        self._graph, self._size = graph, (frame.width, frame.height)

    def _pull(self) -> Iterator["VideoFrame"]:
        import av

        while True:
            try:
                whole = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield whole
