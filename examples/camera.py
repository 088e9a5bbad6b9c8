"""A camera, always its newest frame: python examples/camera.py [SOURCE], a camera's number (0) or the address of a stream."""

import sys
import threading
import time

import cv2

from fsrfer import VideoRecognizer
from fsrfer.types import UInt8Image


class NewestFrame:
    """Reads a camera in a thread of its own and keeps its newest frame only, so that a slow reader is never behind."""

    def __init__(self, source: str):
        """Open a camera by its number, or a stream or file."""
        self._capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
        self._changed = threading.Condition()
        self._frame: UInt8Image | None = None
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def get(self) -> UInt8Image | None:
        """Wait for a frame that was not given before; None once the camera is gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._ended)
            frame, self._frame = self._frame, None
            return frame

    def _read(self) -> None:
        ok = True
        while ok:
            ok, frame = self._capture.read()
            with self._changed:
                self._frame, self._ended = (frame, False) if ok else (self._frame, True)
                self._changed.notify()
        self._capture.release()


def main(source: str = "0") -> None:
    """Print the faces in front of the camera until it is gone, or Ctrl-C."""
    recognizer = VideoRecognizer(detector="fast")
    camera, start = NewestFrame(source), time.monotonic()
    while (frame := camera.get()) is not None:
        result = recognizer.update(frame, time.monotonic() - start, channel_order="bgr")
        told = ", ".join(f"face {one.track} {one.face.expression}" for one in result.faces)
        print(f"{result.time:.2f} s  {told or 'nobody'}", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("stopped")
