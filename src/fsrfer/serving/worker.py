"""``python -m fsrfer.serving.worker``: the process that decodes what strangers send and finds the faces.

It reads pictures from standard input and writes what it found to standard output (`wire`). It can write no file, has so much
memory and time a picture, and is replaced by the service (`pool`) when it dies.
"""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from fsrfer import images
from fsrfer.errors import InputError, TooLargeError
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.legibility import are_cut_off
from fsrfer.serving import wire
from fsrfer.types import UInt8Image

BYTES_A_PIXEL = 24
"""Memory that decoding and detection take for each pixel of a picture, at most."""

SPARE_MEMORY = 512 * 2**20
"""Bytes beyond that, for small pictures' needs."""

OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker does, told on its command line.

    Attributes:
        detector: its name or path.
        size, margin, colour: of the crops that the recogniser takes (`fsrfer.model_file.ModelInfo`).
        max_pixels: larger pictures are refused before they are decoded.
        seconds: after which a picture ends the worker.
    """

    detector: str
    size: int
    margin: float
    colour: Literal["grey", "rgb"]
    max_pixels: int
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes that a picture may take."""
        return BYTES_A_PIXEL * self.max_pixels + SPARE_MEMORY

    def command(self) -> list[str]:
        """The worker's command line."""
        return [sys.executable, "-m", "fsrfer.serving.worker", json.dumps(asdict(self))]


class Looker:
    """Decodes pictures, finds their faces and cuts them out."""

    def __init__(self, plan: WorkerPlan):
        """Load the detector.

        Raises:
            ModelError: its weights are missing, changed, or no YuNet.
        """
        self._plan = plan
        self._detector = Detector(plan.detector, threads=1)

    def answer(self, request: wire.Message) -> wire.Message:
        """What is in a picture, or why that cannot be told."""
        limit = request.fields.get("max_pixels", self._plan.max_pixels)
        tasks = {"faces": self._faces, "crop": self._crop, "frame": self._frame}
        (data,) = request.blobs
        try:
            return tasks[request.fields["task"]](images.decode_rgb(data, "the picture", limit))
        except TooLargeError:
            return wire.Message({"error": "too large"})
        except InputError as error:
            return wire.Message({"error": "unreadable", "why": str(error)})
        except Exception as error:  # one picture must never cost another
            return wire.Message({"error": "unreadable", "why": f"the picture cannot be read ({type(error).__name__})"})

    def _faces(self, rgb: UInt8Image) -> wire.Message:
        plan, (height, width) = self._plan, rgb.shape[:2]
        found = self._detector.detect(rgb)
        points = np.zeros((0, 5, 2), np.float32) if found.landmarks is None else found.landmarks
        crops = images.crop_faces(self._coloured(rgb), found.boxes.tolist(), plan.size, plan.margin)
        fields = {
            "width": width,
            "height": height,
            "faces": len(found),
            "landmarks": found.landmarks is not None,
            "cut_off": are_cut_off(found, height, width).tolist(),
        }
        return wire.Message(fields, [_bytes(array) for array in (found.boxes, found.scores, points, crops)])

    def _crop(self, rgb: UInt8Image) -> wire.Message:
        side = self._plan.size
        crop = images.resize(self._coloured(rgb), (side, side))
        return wire.Message({"width": rgb.shape[1], "height": rgb.shape[0]}, [_bytes(crop)])

    def _frame(self, rgb: UInt8Image) -> wire.Message:
        found = self._detector.detect(rgb)
        points = np.zeros((0, 5, 2), np.float32) if found.landmarks is None else found.landmarks
        fields = {
            "width": rgb.shape[1],
            "height": rgb.shape[0],
            "faces": len(found),
            "landmarks": found.landmarks is not None,
        }
        return wire.Message(fields, [_bytes(array) for array in (found.boxes, found.scores, points, rgb)])

    def _coloured(self, rgb: UInt8Image) -> UInt8Image:
        return images.to_grey(rgb) if self._plan.colour == "grey" else rgb


def _bytes(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def serve(looker: Looker, source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
    """Answer until the service closes its end; a picture that takes longer ends the process."""
    wire.write(sink, wire.Message({"ready": True}))
    while (request := wire.read(source)) is not None:
        _alarm(seconds)
        wire.write(sink, looker.answer(request))
        _alarm(0)


def _alarm(seconds: float) -> None:
    """The service ends a worker that takes too long; this is for one whose service is gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def restrict(memory: int) -> None:
    """From here on the process can write no file, dump no core and take so many bytes more; where the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    if (taken := _address_space()) is not None:
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))


def _address_space() -> int | None:
    """Bytes of address space that are taken already; None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for frames alone: what a decoder's C code prints goes nowhere."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)
    return source, sink


def main() -> int:
    """Be a worker by the plan on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the service ends its workers when they are done
    source, sink = own_streams()
    plan = WorkerPlan(**json.loads(sys.argv[1]))
    looker = Looker(plan)
    looker.answer(wire.Message({"task": "faces"}, [_a_picture()]))
    restrict(plan.memory)
    serve(looker, source, sink, plan.seconds)
    return 0


def _a_picture() -> bytes:
    """A grey picture, so that all that is loaded on first use is loaded before the limits."""
    return b"P5 64 64 255\n" + bytes(64 * 64)


if __name__ == "__main__":
    sys.exit(main())
