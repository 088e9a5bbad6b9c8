"""The one source of frames: upright RGB of one size, none corrupt, with times that only go forward, sampled evenly.

Decoding is PyAV's (FFmpeg's), imported when a video is opened. Times are presentation times, so a variable frame rate is
honoured; nothing but the frame at hand is kept.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fsrfer.errors import InputError
from fsrfer.images import MAX_PIXELS
from fsrfer.types import UInt8Image
from fsrfer.video.clock import Clock
from fsrfer.video.deinterlacing import Deinterlacer
from fsrfer.video.opening import choose_stream, is_live, one_line, open_container, without_secrets

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PATIENCE = 64
"""Damaged packets in a row after which a video counts as ended."""

SHORT_BY = 1.0
"""Seconds missing from the declared length, from which a file is called truncated."""

HOLE = 0.5
"""Seconds without a frame, beyond the last one's duration, that are reported as a hole in a transport stream."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled frame.

    Attributes:
        time: seconds since the clip's first frame.
        rgb: uint8, height x width x 3, upright, with square pixels, of the clip's first size.
    """

    time: float
    rgb: UInt8Image


@dataclass(slots=True)
class Ending:
    """How reading went, filled in while it goes on.

    Attributes:
        read_to: time of the last decoded frame, in seconds.
        damaged: packets that could not be decoded.
        corrupt: frames that were decoded with errors, and left out.
        holes: seconds that are missing from a stream.
        jumps: how often the source's clock started again.
        reason: why reading ended before the end, or None.
    """

    read_to: float = 0.0
    damaged: int = 0
    corrupt: int = 0
    holes: float = 0.0
    jumps: int = 0
    reason: str | None = None

    @property
    def losses(self) -> list[str]:
        """What was lost on the way, in words; empty if nothing was."""
        counted = (
            (self.damaged, f"{self.damaged} damaged parts were passed over"),
            (self.corrupt, f"{self.corrupt} corrupt frames were left out"),
            (self.holes, f"{self.holes:.1f} s are missing in the stream"),
        )
        return [words for count, words in counted if count]

    @property
    def remarks(self) -> list[str]:
        """What is worth knowing and lost nothing."""
        times = "once" if self.jumps == 1 else f"{self.jumps} times"
        return [f"the clock started again {times}; times count on from the newest frame"] if self.jumps else []


@dataclass(slots=True)
class Clip:
    """An opened video; close it, or use it in a ``with`` block.

    Attributes:
        name: as the user gave it, without secrets.
        live: a camera or stream, which cannot wait nor be read again.
        duration: declared length in seconds, or None.
        rate: declared frames a second, or None.
        ending: how reading went.
    """

    name: str
    live: bool
    duration: float | None
    rate: float | None
    _container: "InputContainer" = field(repr=False)
    _stream: "VideoStream" = field(repr=False)
    ending: Ending = field(default_factory=Ending)

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file or device go."""
        self._container.close()

    def frames(self, every: float = 0.0, start: float = 0.0, seek: bool = True) -> Iterator[Frame]:
        """Frames sampled evenly in time.

        Args:
            every: seconds; the first frame at or after each multiple of it is taken. 0 takes every frame.
            start: seconds; earlier frames are passed over.
            seek: whether to jump there; False reads from the beginning, which a clip needs whose clock started again.

        A damaged or truncated video gives the frames that can be read; `ending` then says where and why it stopped.
        """
        origin = (self._stream.start_time or 0) * float(self._stream.time_base or 0)
        clock = Clock(origin, 1 / (self.rate or 25.0))
        if start > 0 and seek:
            self._seek(origin + start)
        picture = _Picture(self.name, self._pixel_width())
        due, lasts = start, 0.0
        for frame in self._progressive():
            before = clock.newest
            time = clock.time_of(None if frame.pts is None else float(frame.time or 0.0))
            self._note_hole(before, time, lasts)
            lasts = _duration_of(frame) or clock.step
            self.ending.jumps, self.ending.read_to = clock.jumps, max(self.ending.read_to, time)
            if time < due - 1e-6:
                continue
            due = time if every <= 0 else (np.floor(time / every + 1e-6) + 1) * every
            yield Frame(time, picture.rgb(frame))
        self._judge_length(lasts)

    def _progressive(self) -> Iterator["VideoFrame"]:
        """Whole frames in order: corrupt ones are counted and left out, interlaced ones deinterlaced."""
        deinterlacer = Deinterlacer()
        for frame in self._decoded():
            if frame.is_corrupt:
                self.ending.corrupt += 1
                continue
            yield from deinterlacer.push(frame, self._stream)
        yield from deinterlacer.flush()

    def _note_hole(self, before: float, time: float, lasts: float) -> None:
        missing = time - before - lasts
        if before >= 0 and missing > HOLE and "mpegts" in self._container.format.name:
            self.ending.holes += missing

    def _pixel_width(self) -> float:
        """Width of a pixel relative to its height, as declared; 1 where that makes no sense."""
        ratio = float(self._stream.sample_aspect_ratio or 1)
        return ratio if 0.25 <= ratio <= 4 else 1.0

    def _seek(self, seconds: float) -> None:
        """Jump to the key frame before; a file without an index is read from its beginning instead."""
        import av

        time_base = float(self._stream.time_base or 1)
        try:
            self._container.seek(int(seconds / time_base), stream=self._stream, backward=True)
        except av.FFmpegError:
            with suppress(av.FFmpegError):  # nothing was read yet, so it stands at its beginning anyway
                self._container.seek(0)

    def _decoded(self) -> Iterator["VideoFrame"]:
        """Frames in order; damaged packets are counted and passed over."""
        import av

        packets = self._container.demux(self._stream)
        failures = 0
        while failures < PATIENCE:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError, IndexError) as error:  # PyAV looks up streams that it has not listed
                self.ending.reason = f"reading failed at {self.ending.read_to:.2f} s ({one_line(error)})"
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
                failures = 0
            except av.FFmpegError as error:
                failures += 1
                self.ending.damaged += 1
                self.ending.reason = f"decoding failed at {self.ending.read_to:.2f} s ({one_line(error)})"
            else:
                self.ending.reason = None

    def _judge_length(self, lasts: float) -> None:
        ends_at = self.ending.read_to + lasts
        if self.ending.reason is None and self.duration and ends_at < self.duration - SHORT_BY:
            self.ending.reason = (
                f"the file ends at {self.ending.read_to:.2f} s although it declares {self.duration:.2f} s; "
                "it seems to be truncated"
            )


class _Picture:
    """Decoded frames as RGB of one size: a stream may change it on the way."""

    def __init__(self, name: str, pixel_width: float) -> None:
        from av.video.reformatter import VideoReformatter

        self._name, self._pixel_width = name, pixel_width
        self._reformatter: VideoReformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def rgb(self, frame: "VideoFrame") -> UInt8Image:
        """A frame turned as its display matrix asks, with square pixels, scaled to the first frame's size.

        Raises:
            InputError: the frame is too large.
        """
        if frame.width * frame.height > MAX_PIXELS:
            raise InputError(f"{self._name}: frames of more than {MAX_PIXELS // 10**6} megapixels are refused")
        self._size = self._size or (round(frame.width * self._pixel_width), frame.height)
        width, height = self._size
        converted = self._reformatter.reformat(frame, width=width, height=height, format="rgb24")
        rgb = np.asarray(converted.to_ndarray(), np.uint8)
        quarter_turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb


def open_video(source: str | Path, threads: int | None = None) -> Clip:
    """Open a video.

    Args:
        source: a file, a camera's number (``"0"``), or an ``rtsp://`` or ``http(s)://`` stream.
        threads: for decoding; None leaves it to FFmpeg.

    Raises:
        InputError: it cannot be opened, holds no video, or is too large.
        ModuleNotFoundError: PyAV is not installed.
    """
    import av

    name = str(source)
    shown = without_secrets(name)
    av.logging.set_level(None)
    try:
        container = open_container(name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{shown}: cannot be opened as a video ({one_line(error)})") from error
    try:
        stream = choose_stream(container, shown)
    except InputError:
        container.close()
        raise
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = threads or 0
    rate = float(stream.average_rate) if stream.average_rate else None
    return Clip(shown, is_live(name, container), _duration(container, stream), rate, container, stream)


def _duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    """Declared length: the video's own, since sound may last longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _duration_of(frame: "VideoFrame") -> float:
    """Seconds that a frame is shown, as declared; 0 where it is not."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
