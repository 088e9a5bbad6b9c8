"""From the bytes of photos to their faces; crops of many photos fill a batch, and none is carried on to the next chunk."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fsrfer import images
from fsrfer.errors import FsrferError, InputError
from fsrfer.recognition.faces import FaceRecognizer, heights_of
from fsrfer.recognition.legibility import are_cut_off
from fsrfer.scoring.items import Item
from fsrfer.scoring.reading import Fetched
from fsrfer.types import Detections, Expression, Face, UInt8Image


@dataclass(slots=True)
class Looked:
    """What came of a photo.

    Attributes:
        item: the photo.
        width, height: in pixels, if it could be decoded.
        faces: best detection first.
        error: why it could not be looked at, or None.
        seconds: that it took.
        killed: whether it ended the process that looked at it.
    """

    item: Item
    width: int | None = None
    height: int | None = None
    faces: tuple[Face, ...] = ()
    error: str | None = None
    seconds: float = 0.0
    killed: bool = False


@dataclass(slots=True)
class _Crops:
    """Faces that wait to be recognised."""

    pictures: list[UInt8Image] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    cut_off: list[bool] = field(default_factory=list)

    def take(self, count: int) -> tuple[UInt8Image, list[float], list[bool]]:
        taken = np.stack(self.pictures[:count]), self.heights[:count], self.cut_off[:count]
        self.pictures, self.heights, self.cut_off = self.pictures[count:], self.heights[count:], self.cut_off[count:]
        return taken


class Looker:
    """Finds and recognises the faces of a chunk's photos."""

    def __init__(self, recognizer: FaceRecognizer, max_pixels: int):
        """Use a recogniser; photos over ``max_pixels`` are errors."""
        self._recognizer, self._max_pixels = recognizer, max_pixels

    def look(self, photos: Iterable[Fetched]) -> Iterator[Looked]:
        """What comes of some photos, in their order; whatever one of them brings, the others are looked at."""
        waiting: deque[tuple[Looked, Detections]] = deque()
        crops, answers = _Crops(), deque[tuple[Expression, float]]()
        batch = self._recognizer.batch
        for item, data, error in photos:
            waiting.append(self._found(item, data, error, crops))
            while len(crops.pictures) >= batch:
                answers.extend(self._recognised(crops, batch))
            yield from self._ready(waiting, answers)
        if crops.pictures:
            answers.extend(self._recognised(crops, len(crops.pictures)))
        yield from self._ready(waiting, answers)

    def _found(self, item: Item, data: bytes | None, error: str | None, crops: _Crops) -> tuple[Looked, Detections]:
        looked, found, began = Looked(item, error=error), Detections.none(), time.perf_counter()
        if data is not None:
            try:
                found = self._faces_in(looked, data, crops)
            except InputError as failure:
                looked.error = str(failure)
            except MemoryError:
                looked.error = f"{item.name}: not enough memory for this photo"
            except FsrferError:
                raise
            except Exception as fault:  # one photo must never lose the others
                what = f"{type(fault).__name__}: {fault}"
                looked.error = " ".join(f"{item.name}: a fault of fsrfer itself, please report it ({what})".split())
        looked.seconds = time.perf_counter() - began
        return looked, found

    def _faces_in(self, looked: Looked, data: bytes, crops: _Crops) -> Detections:
        rgb = images.decode_rgb(data, looked.item.name, self._max_pixels)
        looked.height, looked.width = rgb.shape[:2]
        found = self._recognizer.detector.detect(rgb)
        if len(found):
            pictures = list(self._recognizer.crops(rgb, found))
            crops.cut_off += are_cut_off(found, *rgb.shape[:2]).tolist()
            crops.heights += heights_of(found)
            crops.pictures += pictures
        return found

    def _recognised(self, crops: _Crops, count: int) -> list[tuple[Expression, float]]:
        """Answers of the first few crops, each with its part of the time."""
        began = time.perf_counter()
        answers = self._recognizer.expressions(*crops.take(count))
        seconds = (time.perf_counter() - began) / count
        return [(answer, seconds) for answer in answers]

    def _ready(
        self, waiting: deque[tuple[Looked, Detections]], answers: deque[tuple[Expression, float]]
    ) -> Iterator[Looked]:
        """The photos whose faces are all answered."""
        while waiting and len(waiting[0][1]) <= len(answers):
            looked, found = waiting.popleft()
            own = [answers.popleft() for _ in range(len(found))]
            looked.faces = self._recognizer.assemble(found, (answer for answer, _ in own))
            looked.seconds += sum(seconds for _, seconds in own)
            yield looked
