"""From a video file, a camera or a stream to upright RGB frames with their times, sampled evenly in time.

Decoding is PyAV's (FFmpeg's), imported when a video is opened. Times are presentation times, so a variable frame rate is
honoured; nothing but the frame at hand is kept.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrfer.errors import InputError
from fsrfer.images import MAX_PIXELS
from fsrfer.types import UInt8Image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

STREAM_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "http": "http,tcp,https,tls,crypto,hls",
    "https": "https,tcp,http,tls,crypto,hls",
}
"""Streams that are opened, and the protocols each may use; a file may read nothing but files."""

CAMERAS = {"linux": ("/dev/video{}", "v4l2"), "darwin": ("{}", "avfoundation")}
"""Device and driver of a numbered camera by system, as FFmpeg names them."""

TIMEOUT = 15.0
"""Seconds after which a silent stream counts as ended."""

PATIENCE = 64
"""Damaged packets in a row after which a video counts as ended."""

SHORT_BY = 1.0
"""Seconds missing from the declared length, from which a file is called truncated."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled frame.

    Attributes:
        time: presentation time in seconds since the clip's first frame.
        rgb: uint8, height x width x 3, upright and with square pixels.
    """

    time: float
    rgb: UInt8Image


@dataclass(slots=True)
class Ending:
    """How reading went, filled in while it goes on.

    Attributes:
        read_to: time of the last decoded frame, in seconds.
        damaged: packets that could not be decoded.
        reason: why reading ended before the end, or None.
    """

    read_to: float = 0.0
    damaged: int = 0
    reason: str | None = None


@dataclass(slots=True)
class Clip:
    """An opened video; close it, or use it in a ``with`` block.

    Attributes:
        name: as the user gave it.
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

    def frames(self, every: float = 0.0, start: float = 0.0) -> Iterator[Frame]:
        """Frames sampled evenly in time.

        Args:
            every: seconds; the first frame at or after each multiple of it is taken. 0 takes every frame.
            start: seconds; earlier frames are passed over.

        A damaged or truncated video gives the frames that can be read; `ending` then says where and why it stopped.
        """
        origin = (self._stream.start_time or 0) * float(self._stream.time_base or 0)
        if start > 0:
            self._seek(origin + start)
        due = start
        for frame in self._decoded():
            time = self._time_of(frame, origin)
            self.ending.read_to = max(self.ending.read_to, time)
            if time < due - 1e-6:
                continue
            due = time if every <= 0 else (np.floor(time / every + 1e-6) + 1) * every
            yield Frame(time, upright(frame, self._pixel_width(), self.name))
        self._judge_length()

    def _pixel_width(self) -> float:
        """Width of a pixel relative to its height, as declared; 1 where that makes no sense."""
        ratio = float(self._stream.sample_aspect_ratio or 1)
        return ratio if 0.25 <= ratio <= 4 else 1.0

    def _time_of(self, frame: "VideoFrame", origin: float) -> float:
        if frame.pts is None:  # a raw stream without times: frames are evenly spaced
            return self.ending.read_to + 1 / (self.rate or 25.0)
        return max(0.0, float(frame.time) - origin)

    def _seek(self, seconds: float) -> None:
        """Jump to the key frame before; a file without an index is read from its beginning instead."""
        import av

        time_base = float(self._stream.time_base or 1)
        try:
            self._container.seek(int(seconds / time_base), stream=self._stream, backward=True)
        except av.FFmpegError:
            self._container.seek(0)

    def _decoded(self) -> Iterator["VideoFrame"]:
        """Frames in order; damaged packets are counted and passed over."""
        import av

        packets = self._container.demux(self._stream)
        failures = 0
        while failures < PATIENCE:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
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

    def _judge_length(self) -> None:
        if self.ending.reason is None and self.duration and self.ending.read_to < self.duration - SHORT_BY:
            self.ending.reason = (
                f"the file ends at {self.ending.read_to:.2f} s although it declares {self.duration:.2f} s; "
                "it seems to be truncated"
            )


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
    av.logging.set_level(None)
    try:
        container = _open_container(name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{without_secrets(name)}: cannot be opened as a video ({one_line(error)})") from error
    if not container.streams.video:
        container.close()
        raise InputError(f"{without_secrets(name)}: there is no video in it")
    stream = container.streams.video[0]
    if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
        container.close()
        raise InputError(f"{without_secrets(name)}: frames of more than {MAX_PIXELS // 10**6} megapixels are refused")
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = threads or 0
    rate = float(stream.average_rate) if stream.average_rate else None
    return Clip(without_secrets(name), is_live(name), _duration(container, stream), rate, container, stream)


def is_live(name: str) -> bool:
    """Whether a source is a camera or a stream rather than a file."""
    return name.isdecimal() or "://" in name


def without_secrets(name: str) -> str:
    """A source's name without the user name and password that a stream's URL may carry.

    Example:
        >>> without_secrets("rtsp://admin:secret@10.0.0.7/hall")
        'rtsp://10.0.0.7/hall'
    """
    scheme, separator, rest = name.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else name


def upright(frame: "VideoFrame", pixel_width: float = 1.0, name: str = "frame") -> UInt8Image:
    """A decoded frame as RGB, turned as its display matrix asks and with square pixels.

    Args:
        frame: as decoded.
        pixel_width: of a pixel, relative to its height.
        name: of the clip, for messages.

    Raises:
        InputError: the frame is too large (a stream may change its size on the way).
    """
    if frame.width * frame.height > MAX_PIXELS:
        raise InputError(f"{name}: frames of more than {MAX_PIXELS // 10**6} megapixels are refused")
    rgb = np.asarray(frame.to_ndarray(format="rgb24", width=round(frame.width * pixel_width)), np.uint8)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb


def one_line(error: BaseException) -> str:
    """An FFmpeg error's own words, without its number and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _open_container(name: str) -> "InputContainer":
    import av

    if name.isdecimal():
        device, driver = _camera(int(name))
        return av.open(device, format=driver, timeout=TIMEOUT)
    scheme = name.partition("://")[0].lower() if "://" in name else None
    if scheme is None:
        if not Path(name).is_file():
            raise InputError(f"{name}: no such file; name a video file, a camera's number or a stream's URL")
        return av.open(name, options={"protocol_whitelist": "file"})
    if scheme not in STREAM_PROTOCOLS:
        raise InputError(f"{without_secrets(name)}: only {', '.join(STREAM_PROTOCOLS)} streams are opened")
    options: dict[str, Any] = {"protocol_whitelist": STREAM_PROTOCOLS[scheme]}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    return av.open(name, options=options, timeout=TIMEOUT)


def _camera(number: int) -> tuple[str, str]:
    """Device and driver of a camera, as FFmpeg names them.

    Raises:
        InputError: this system has no numbered cameras.
    """
    if sys.platform not in CAMERAS:
        raise InputError(f"camera {number}: cameras have no numbers on {sys.platform}; name the URL of a stream")
    device, driver = CAMERAS[sys.platform]
    return device.format(number), driver


def _duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    """Declared length: the video's own, since sound may last longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None
