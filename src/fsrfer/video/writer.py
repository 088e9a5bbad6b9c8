"""Writing the sampled frames as a video with the results drawn on them, faces pixelated if asked."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrfer.errors import InputError
from fsrfer.files import atomic_path
from fsrfer.output.annotation import annotate, pixelate
from fsrfer.types import UInt8Image
from fsrfer.video.results import FrameResult

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TICKS = 1000
"""Presentation times are written in milliseconds."""

LARGEST_SIDE = 1920
"""Of a video, in pixels, up to which small frames are enlarged twice so that labels can be read."""


class VideoWriter:
    """An MP4 file, written as one part a time window so that a stopped run can be resumed; the parts are joined at the end."""

    def __init__(self, path: Path, blur: bool = False, mark: int | None = None):
        """Prepare to write.

        Args:
            path: of the video; its parts lie in a folder beside it until the end.
            blur: whether faces are pixelated.
            mark: from `mark`, to resume from there; None to begin anew.

        Raises:
            InputError: the folder cannot be written, or parts are gone.
        """
        self.path = path
        self._blur = blur
        self._folder = path.with_name(path.name + ".parts")
        self._open: tuple[OutputContainer, VideoStream, float] | None = None
        try:
            if mark is None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            parts = self._parts()
            if mark is not None and len(parts) < mark:
                raise InputError(f"{path}: its parts are gone since the work stopped; start again without --resume")
            for part in parts[mark or 0 :]:
                part.unlink()
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error

    def add(self, result: FrameResult) -> None:
        """Draw and write one frame.

        Raises:
            InputError: it cannot be written, for example since the disk is full; so for `end_part` and `finish`.
        """
        import av

        picture = self.draw(result)
        with self._reported():
            if self._open is None:
                self._open = self._start_part(picture.shape[1], picture.shape[0], result.time)
            container, stream, start = self._open
            canvas = fit(picture, stream.codec_context.width, stream.codec_context.height)
            frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
            frame.pts, frame.time_base = round((result.time - start) * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))

    def draw(self, result: FrameResult) -> UInt8Image:
        """The frame with its results; with `blur`, nobody can be recognised in it, a face that was just lost included."""
        if result.rgb is None:
            raise ValueError("the result carries no picture")
        faces = [tracked.face for tracked in result.faces]
        rgb = pixelate(result.rgb, [*(face.box for face in faces), *result.hidden]) if self._blur else result.rgb
        zoom = 2 if 2 * max(result.width, result.height) <= LARGEST_SIDE else 1
        return np.asarray(annotate(rgb, faces, zoom, keep_size=True))

    def end_part(self) -> None:
        """Close the part of this time window, if any frame was written to it."""
        if self._open is None:
            return
        container, stream, _ = self._open
        with self._reported():
            container.mux(stream.encode(None))
            container.close()
        self._open = None

    def mark(self) -> int:
        """Number of whole parts."""
        return len(self._parts())

    def finish(self, keep_parts: bool) -> None:
        """Join the parts into the video without encoding them again; the parts stay if the run may be resumed."""
        self.end_part()
        parts = self._parts()
        if parts:
            with self._reported(), atomic_path(self.path) as partial:
                join(parts, [_start_of(part) for part in parts], partial)
        if not keep_parts:
            shutil.rmtree(self._folder, ignore_errors=True)

    def give_up(self) -> None:
        """Leave nothing behind, so that a full disk has room for other results."""
        if self._open is not None:
            with suppress(InputError), self._reported():
                self._open[0].close()
            self._open = None
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        import av

        try:
            yield
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{self.path}: the video cannot be written ({reason}); choose another place") from error

    def _start_part(self, width: int, height: int, time: float) -> "tuple[OutputContainer, VideoStream, float]":
        import av

        path = self._folder / f"{len(self._parts()):06d}-{round(time * TICKS)}.mp4"
        container = av.open(str(path.absolute()), "w")  # FFmpeg takes what stands before a colon for a protocol
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream: Any = container.add_stream(codec, rate=TICKS)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.max_b_frames = 0
        if codec == "libx264":
            stream.options = {"preset": "veryfast", "crf": "21"}
        return container, stream, time

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.mp4"))


def fit(picture: UInt8Image, width: int, height: int) -> UInt8Image:
    """The picture padded on its right and below, to sides that can be encoded."""
    canvas = np.zeros((height, width, 3), np.uint8)
    part = picture[:height, :width]
    canvas[: part.shape[0], : part.shape[1]] = part
    return canvas


def join(parts: Sequence[Path], starts: Sequence[int], target: Path) -> None:
    """Put encoded videos one after the other.

    Args:
        parts: MP4 files of one codec and size.
        starts: presentation time of each, in `TICKS`.
        target: the file to write.
    """
    import av

    with av.open(str(target.absolute()), "w", format="mp4") as output:
        stream = None
        for part, start in zip(parts, starts, strict=True):
            with av.open(str(part.absolute())) as container:
                source = container.streams.video[0]
                stream = stream or output.add_stream_from_template(source)
                for packet in container.demux(source):
                    if packet.pts is None or packet.dts is None or packet.time_base is None:
                        continue
                    shift = round(Fraction(start - starts[0], TICKS) / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    output.mux(packet)


def _start_of(part: Path) -> int:
    return int(part.stem.partition("-")[2])
