"""Videos in the containers and codecs that people have, read to their end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fsrfer.video.reading import open_video

SUFFIX = ".video"

FRAMES, WIDTH, HEIGHT = 12, 96, 64
MOST_FRAMES = 300

CODECS = (
    *(("mp4", "libx264"), ("mp4", "mpeg4"), ("mp4", "libx265"), ("mp4", "libaom-av1"), ("mp4", "libsvtav1")),
    *(("matroska", "libx264"), ("matroska", "ffv1"), ("webm", "libvpx"), ("webm", "libvpx-vp9")),
    *(("avi", "mjpeg"), ("avi", "mpeg4"), ("avi", "huffyuv"), ("mpegts", "libx264"), ("mpegts", "mpeg2video")),
    *(("mpeg", "mpeg1video"), ("flv", "flv"), ("asf", "wmv2"), ("mov", "mjpeg"), ("mov", "qtrle"), ("gif", "gif")),
    *(("ogg", "libtheora"), ("nut", "mpeg4"), ("mov", "prores"), ("apng", "apng")),
)


def seeds(folder: Path) -> list[bytes]:
    """Whole clips of a second."""
    import av

    made = []
    for container, codec in CODECS:
        path = folder / f"{container}-{codec}"
        try:
            with _own_scheduling():
                _write(path, container, codec)
        except (av.FFmpegError, ValueError, KeyError):  # this build of FFmpeg has no such encoder
            continue
        made.append(path.read_bytes())
    return made


def attempt(data: bytes, path: Path) -> None:
    """Open a video and read its frames, and again from its middle.

    Raises:
        InputError: as it should.
        AssertionError: times that go back, or frames of several sizes.
    """
    path.write_bytes(data)
    for start in (0.0, 0.5):
        last, shape = -1.0, None
        with open_video(path, threads=1) as clip:
            for count, frame in enumerate(clip.frames(start=start)):
                assert frame.time >= last
                assert shape in (None, frame.rgb.shape)
                last, shape = frame.time, frame.rgb.shape
                if count >= MOST_FRAMES:
                    break
            assert isinstance(clip.ending.losses, list)


@contextmanager
def _own_scheduling() -> Iterator[None]:
    """SVT-AV1 gives a process that root runs the highest real-time priority, which would starve all others from then on."""
    try:
        yield
    finally:
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _write(path: Path, container: str, codec: str) -> None:
    import av

    av.logging.set_level(None)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    ground = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=12)
        formats = stream.codec_context.codec.video_formats or []
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, formats[0].name if formats else "yuv420p"
        if "yuv420p" in [one.name for one in formats]:
            stream.pix_fmt = "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(ground, index * 3, axis=1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 12)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
