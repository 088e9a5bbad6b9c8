"""Videos made on the spot, for tests and benchmarks of the way from a clip to its group."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = 1000


def write_clip(
    path: Path, frames: Iterable[np.ndarray], times: Sequence[float] | None = None, fps: float = 10, rotation: int = 0
) -> Path:
    """An MP4 of RGB frames at the given times (seconds), else evenly spaced; ``rotation`` goes into its metadata."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=TICKS)
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.max_b_frames = 0
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "ultrafast", "crf": "12"}
        if rotation:
            stream.set_display_rotation(rotation)
        for index, rgb in enumerate(frames):
            if index == 0:
                stream.height, stream.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts, frame.time_base = round((times[index] if times else index / fps) * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def faststart(source: Path, target: Path) -> Path:
    """The same video with its index in front, as files for streaming have it."""
    with av.open(str(source)) as old, av.open(str(target), "w", options={"movflags": "faststart"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return target


def crowd_frames(portrait: np.ndarray, faces: int, frames: int, size: tuple[int, int] = (320, 180)) -> list[np.ndarray]:
    """Frames in which copies of a small portrait (RGB) drift across a grey ground, side by side."""
    width, height = size
    made = []
    for index in range(frames):
        frame = np.full((height, width, 3), 128, np.uint8)
        for number in range(faces):
            left = 4 + number * (width - 8) // faces + index % 8
            top = 10 + (index + 3 * number) % 12
            frame[top : top + portrait.shape[0], left : left + portrait.shape[1]] = portrait
        made.append(frame)
    return made
