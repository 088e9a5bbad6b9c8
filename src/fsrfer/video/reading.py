"""The one source of frames: upright RGB of one size, none corrupt, with times that only go forward, sampled evenly.

Decoding is PyAV's (FFmpeg's), imported when a video is opened. Times are presentation times, so a variable frame rate is
honoured; nothing but the frame at hand is kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, cast

import numpy as np

from fsrfer.errors import InputError
from fsrfer.types import UInt8Image
from fsrfer.video.clock import Clock
from fsrfer.video.deinterlacing import Deinterlacer
from fsrfer.video.opening import choose_stream, is_live, one_line, open_container, without_secrets
from fsrfer.video.picture import Picture

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PATIENCE = 64
"""Damaged packets in a row after which a live source counts as ended; a file is read to its end."""

SILENCE = 10.0
"""Seconds without a picture, though sound or other data come, after which a live source counts as ended."""

NOT_YET = 0.01
"""Seconds until a camera that has no picture yet is asked again."""

SHORT_BY = 1.0
"""Seconds missing from the declared length, from which a file is called truncated."""

TRANSPORT = ("mpegts", "mpeg")
"""Formats that have a frame at every moment: a recording that is damaged there has a hole."""

HOLE = 0.5
"""Seconds without a frame, beyond the last one's duration, that are reported as a hole in a transport stream."""


EARLIER = (0.0, 10.0, 60.0)
"""Seconds before the place to jump to, tried in turn: in a format without an index the jump may miss the key frame."""

UNINDEXED = 0x0080 | 0x0100
"""FFmpeg's flags (``AVFMT_NOTIMESTAMPS``, ``AVFMT_GENERIC_INDEX``) of formats in which no jump goes to a time not read yet."""

_STRICT = ("hevc", "mjpeg")
"""Decoders that hand on damaged frames as good ones unless errors are asked for; the others mark them."""


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
        jumps: how often the source's clock jumped.
        even: whether all times were the source's own and all frames of one size, so that a later run may begin in the middle.
        reason: why reading ended before the end, or None.
    """

    read_to: float = 0.0
    damaged: int = 0
    corrupt: int = 0
    holes: float = 0.0
    jumps: int = 0
    even: bool = True
    reason: str | None = None

    @property
    def losses(self) -> list[str]:
        """What was lost, in words; empty if nothing was."""
        counted = (
            (self.reason, self.reason or ""),
            (self.damaged, f"{self.damaged} damaged parts were passed over"),
            (self.corrupt, f"{self.corrupt} corrupt frames were left out"),
            (self.holes, f"{self.holes:.1f} s are missing in the stream"),
        )
        return [words for count, words in counted if count]

    @property
    def remarks(self) -> list[str]:
        """What is worth knowing and lost nothing."""
        times = "once" if self.jumps == 1 else f"{self.jumps} times"
        return [f"the clock jumped {times}; times count on from the newest frame"] if self.jumps else []


@dataclass(slots=True)
class Clip:
    """An opened video; close it, or use it in a ``with`` block.

    Attributes:
        name: as the user gave it, without secrets.
        live: a camera or stream, which cannot wait nor be read again.
        duration: declared length in seconds, or None.
        rate: declared frames a second, or None.
        ending: how reading went.
        arrived: when the newest data were read, by `time.monotonic`.
        waited: seconds spent waiting for data.
    """

    name: str
    live: bool
    duration: float | None
    rate: float | None
    _container: "InputContainer" = field(repr=False)
    _stream: "VideoStream" = field(repr=False)
    _reopen: "Callable[[], tuple[InputContainer, VideoStream]]" = field(repr=False)
    ending: Ending = field(default_factory=Ending)
    arrived: float = field(default_factory=monotonic)
    waited: float = 0.0

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
        picture = self.picture()
        due, lasts = start, 0.0
        for frame in self._frames_before(origin + start) if start > 0 and seek else self._progressive():
            before = clock.newest
            time = clock.time_of(frame.time, lasts)
            self._note_hole(before, time, lasts)
            lasts = _duration_of(frame) or clock.step
            self.ending.jumps, self.ending.read_to = clock.jumps, max(self.ending.read_to, time)
            self.ending.even = clock.exact and not picture.resized
            if time < due - 1e-6:
                continue
            due = time if every <= 0 else (np.floor(time / every + 1e-6) + 1) * every
            rgb = picture.rgb(frame)
            self.ending.even &= not picture.resized
            yield Frame(time, rgb)
        self._judge_length(clock, lasts)

    def decoded(self) -> Iterator["VideoFrame"]:
        """Every frame as soon as it is decoded, neither sampled nor converted; `arrived` says when it came."""
        return self._progressive()

    def picture(self) -> Picture:
        """What converts the decoded frames."""
        return Picture(self.name, self._pixel_width())

    def hurry(self, late: bool) -> None:
        """Leave out, or no longer, frames that no other one needs: in most streams decoding is then quicker."""
        self._stream.codec_context.skip_frame = "NONREF" if late else "DEFAULT"

    def _frames_before(self, moment: float) -> Iterator["VideoFrame"]:
        """Frames from some key frame before a presentation time on; from the beginning where none can be jumped to."""
        for earlier in EARLIER:
            if self._seek(moment - earlier):
                frames = self._progressive(moment)
                first = next(frames, None)
                if first is not None and first.time is not None and first.time <= moment:
                    yield first
                    yield from frames
                    return
            self._container.close()
            self._container, self._stream = self._reopen()
            self.ending = Ending()
        yield from self._progressive()

    def _progressive(self, wanted_from: float | None = None) -> Iterator["VideoFrame"]:
        """Whole frames in order: corrupt ones are counted and left out, interlaced ones deinterlaced.

        Args:
            wanted_from: presentation time; after a jump, frames before it may lack what they refer to, and are not missed.
        """
        deinterlacer = Deinterlacer()
        for frame in self._decoded():
            if not frame.is_corrupt:
                yield from deinterlacer.push(frame, self._stream)
            elif wanted_from is None or frame.time is None or frame.time >= wanted_from:
                self.ending.corrupt += 1
        yield from deinterlacer.flush()

    def _note_hole(self, before: float, time: float, lasts: float) -> None:
        missing = time - before - lasts
        if before >= 0 and missing > HOLE and self._container.format.name in TRANSPORT:
            self.ending.holes += missing

    def _pixel_width(self) -> float:
        """Width of a pixel relative to its height, as declared; 1 where that makes no sense."""
        ratio = float(self._stream.sample_aspect_ratio or 1)
        return ratio if 0.25 <= ratio <= 4 else 1.0

    def _seek(self, seconds: float) -> bool:
        """Jump to the key frame before, if the format allows it."""
        import av

        if self._container.format.flags & UNINDEXED:
            return False
        try:
            time_base = float(self._stream.time_base or 1)
            self._container.seek(int(seconds / time_base), stream=self._stream, backward=True)
        except av.FFmpegError:
            return False
        return True

    def _decoded(self) -> Iterator["VideoFrame"]:
        """Frames in order; damaged packets are counted and passed over."""
        import av

        failures, pictured = 0, monotonic()
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                failures += 1
                self.ending.damaged += 1
                self.ending.reason = f"decoding failed at {self.ending.read_to:.2f} s ({one_line(error)})"
            else:
                failures, pictured = 0, self.arrived if frames else pictured
                self.ending.reason = None
                yield from frames
            if self.live and failures >= PATIENCE:
                return
            if self.live and self.arrived - pictured > SILENCE:
                self.ending.reason = f"no picture came for {SILENCE:g} s"
                return

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """The packets of the video, as long as any can be read."""
        import av

        # Of a live source all are read: whoever waits for those of the video waits for ever while sound alone comes.
        wanted = () if self.live else (self._stream,)
        packets = self._container.demux(*wanted)
        while True:
            began = monotonic()
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError, IndexError) as error:  # PyAV looks up streams that it has not listed
                if self.live and isinstance(error, BlockingIOError) and began - self.arrived < SILENCE:
                    sleep(NOT_YET)
                    packets = self._container.demux(*wanted)
                    continue
                self.ending.reason = f"reading failed at {self.ending.read_to:.2f} s ({one_line(error)})"
                return
            if packet is None:
                return
            self.arrived = monotonic()
            self.waited += self.arrived - began
            if packet.stream_index == self._stream.index:
                yield cast("Packet[VideoStream]", packet)

    def _judge_length(self, clock: Clock, lasts: float) -> None:
        if clock.newest < 0:
            self.ending.reason = self.ending.reason or "no frame in it can be read"
        elif self.ending.reason is None and self.duration and clock.furthest + lasts < self.duration - SHORT_BY:
            self.ending.reason = (
                f"the file ends at {self.ending.read_to:.2f} s although it declares {self.duration:.2f} s; "
                "it seems to be truncated"
            )


def open_video(source: str | Path, threads: int | None = None, at_once: bool = False) -> Clip:
    """Open a video.

    Args:
        source: a file, a camera's number (``"0"``), or an ``rtsp://`` or ``http(s)://`` stream.
        threads: for decoding; None leaves it to FFmpeg.
        at_once: for live use, whether frames are wanted without delay and a silent stream is soon given up; it then keeps
            nothing back and decodes no frames side by side.

    Raises:
        InputError: it cannot be opened, holds no video, or is too large.
        ModuleNotFoundError: PyAV is not installed.
    """
    import av

    name = str(source)
    av.logging.set_level(None)
    container, stream = _opened(name, threads, at_once)
    return Clip(
        name=without_secrets(name),
        live=is_live(name, container),
        duration=_duration(container, stream),
        rate=float(stream.average_rate) if stream.average_rate else None,
        _container=container,
        _stream=stream,
        _reopen=partial(_opened, name, threads, at_once),
    )


def _opened(name: str, threads: int | None, at_once: bool) -> "tuple[InputContainer, VideoStream]":
    """Container and stream, at their beginning; see `open_video`."""
    container = open_container(name, at_once)
    try:
        stream = choose_stream(container, without_secrets(name))
    except InputError:
        container.close()
        raise
    if stream.codec_context.name in _STRICT:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    # Frames that are decoded side by side come later.
    stream.codec_context.thread_type = "SLICE" if at_once else "AUTO"
    stream.codec_context.thread_count = min(threads or 2, 2) if at_once else threads or 0
    return container, stream


def _duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    """Declared length: the video's own, since sound may last longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _duration_of(frame: "VideoFrame") -> float:
    """Seconds that a frame is shown, as declared; 0 where it is not."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
