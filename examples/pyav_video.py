"""A video file or stream in a loop of PyAV: python examples/pyav_video.py hall.mp4"""

import sys

import av

from fsrfer import VideoRecognizer

EVERY = 0.2
"""Seconds between two frames that are looked at."""


def main(source: str) -> None:
    """Print the group of each frame that is looked at."""
    recognizer = VideoRecognizer()
    next_look = 0.0
    with av.open(source) as container:
        for frame in container.decode(video=0):
            if frame.time is None or frame.time < next_look:
                continue
            next_look = frame.time + EVERY
            result = recognizer.update(frame.to_ndarray(format="rgb24"), frame.time)
            shares = {name: round(share, 2) for name, share in result.group.shares.items() if share}
            print(f"{frame.time:.2f} s  {len(result.faces)} faces: {shares}")


if __name__ == "__main__":
    main(sys.argv[1])
