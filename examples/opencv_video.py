"""A video file in a loop of OpenCV: python examples/opencv_video.py hall.mp4"""

import sys

import cv2

from fsrfer import VideoRecognizer

EVERY = 0.2
"""Seconds between two frames that are looked at."""


def main(path: str) -> None:
    """Print the faces of each frame that is looked at."""
    recognizer = VideoRecognizer()
    capture = cv2.VideoCapture(path)
    next_look = 0.0
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if time < next_look:
            continue
        next_look = time + EVERY
        result = recognizer.update(frame, time, channel_order="bgr")  # OpenCV's frames are BGR
        for one in result.faces:
            print(f"{time:.2f} s  face {one.track}: {one.face.expression} ({one.face.probability:.0%})")
    capture.release()


if __name__ == "__main__":
    main(sys.argv[1])
