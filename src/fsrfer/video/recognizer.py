"""A video's faces, frame by frame: decoding, finding and recognising overlap, and faces keep their numbers.

frames (thread) -> detection, tracking, crops (thread) -> recognition in batches across frames, smoothing
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsrfer import images
from fsrfer.photo.recognizer import MIN_FACE
from fsrfer.photo.results import likeliest
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.model import BATCH, ExpressionModel
from fsrfer.types import Box, Detections, Expression, Face, FloatArray, UInt8Image
from fsrfer.video.pooling import Pool, Smoother
from fsrfer.video.prefetch import Stopwatch, ahead
from fsrfer.video.reading import Clip, Frame
from fsrfer.video.tracking import Track, Tracker

FRAMES_AHEAD = 4
"""Decoded frames that may wait; at 1920 x 1080 each takes 6 MB."""

FRAMES_TOGETHER = 8
"""Frames whose faces are recognised in one batch, at most."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One face in one frame.

    Attributes:
        track: the face's number in this clip.
        face: where it is and how large in this frame, and its answer pooled over the last frames.
        alone: what this frame alone says.
        probabilities: float32, 7: of this frame alone, in the order of `EXPRESSIONS`.
        detected: False where the box is foreseen rather than found.
    """

    track: int
    face: Face
    alone: Expression
    probabilities: FloatArray
    detected: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """One sampled frame and the faces in it.

    Attributes:
        time: in seconds since the clip's first frame.
        size: width and height of the frame in pixels.
        sightings: the faces.
        rgb: the frame, if it was asked for.
        hidden: where faces should be that were seen a moment ago and not now.
        memory: what is needed to go on after this frame.
    """

    time: float
    size: tuple[int, int]
    sightings: tuple[Sighting, ...]
    rgb: UInt8Image | None
    hidden: tuple[Box, ...]
    memory: "Memory"


@dataclass(frozen=True, slots=True)
class Memory:
    """Faces followed at some moment: enough to go on from there as if nothing had happened.

    Attributes:
        frames: sampled frames so far.
        tracks, started: of the `Tracker`.
        pools: of the `Smoother`.
    """

    frames: int = 0
    tracks: tuple[Track, ...] = ()
    started: int = 0
    pools: Mapping[int, Pool] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The memory as plain values that JSON can hold."""
        return {
            "frames": self.frames,
            "started": self.started,
            "tracks": [
                {
                    "number": track.number,
                    "seen": track.seen,
                    "time": track.time,
                    "mean": track.mean.tolist(),
                    "spread": track.spread.tolist(),
                }
                for track in self.tracks
            ],
            "pools": {str(number): pool.to_dict() for number, pool in self.pools.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Memory":
        """The reverse of `to_dict`."""
        tracks = tuple(
            Track(**{**track, "mean": np.array(track["mean"]), "spread": np.array(track["spread"])})
            for track in values["tracks"]
        )
        pools = {int(number): Pool.from_dict(pool) for number, pool in values["pools"].items()}
        return cls(values["frames"], tracks, values["started"], pools)


@dataclass(frozen=True, slots=True)
class _Found:
    """A frame once its faces are found and numbered, before they are recognised."""

    number: int
    frame: Frame
    boxes: Detections
    detected: bool
    numbers: list[int]
    crops: UInt8Image
    tracks: tuple[Track, ...]
    started: int


class CrowdRecognizer:
    """Finds, follows and recognises the faces of videos; load it once.

    Attributes:
        watch: seconds of work by stage: ``decode``, ``detect``, ``follow``, ``crop``, ``recognise``, ``smooth``.
        dropped: frames of live sources that were passed over because the work could not keep up.

    Example:
        >>> from fsrfer.video.recognizer import CrowdRecognizer
        >>> from fsrfer.video.reading import open_video
        >>> with open_video("hall.mp4") as clip:  # doctest: +SKIP
        ...     for moment in CrowdRecognizer().moments(clip, every=0.5):
        ...         print(moment.time, [(one.track, one.face.expression) for one in moment.sightings])
    """

    def __init__(
        self,
        model: str | Path = "default",
        detector: str | Path = "default",
        threads: int | None = None,
        min_face: float = MIN_FACE,
        detect_every: int = 1,
    ):
        """Load both networks.

        Args:
            model, detector, threads, min_face: as for `fsrfer.Recognizer`.
            detect_every: faces are searched for in every n-th sampled frame, and foreseen in those between.

        Raises:
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self._model = ExpressionModel(model, threads)
        self._detector = Detector(detector, threads)
        self._min_face = min_face
        self._detect_every = detect_every
        self.watch = Stopwatch()
        self.dropped = 0

    @property
    def model(self) -> ExpressionModel:
        """The recogniser of crops."""
        return self._model

    def moments(
        self,
        clip: Clip,
        every: float = 0.0,
        start: float = 0.0,
        memory: Memory | None = None,
        pictures: bool = False,
    ) -> Generator[Moment, None, None]:
        """The clip's sampled frames with their faces, in order; constant memory however long it is.

        Args:
            clip: an opened video.
            every: seconds between two sampled frames; 0 takes every frame.
            start: seconds; where to begin.
            memory: of the frame before ``start``, to go on with its faces.
            pictures: whether moments carry their frames.
        """
        memory = memory or Memory()
        tracker, smoother = Tracker(memory.tracks, memory.started), Smoother(memory.pools)
        frames = ahead(
            self.watch.each("decode", clip.frames(every, start)), FRAMES_AHEAD, self._drop if clip.live else None
        )
        found = ahead(self._find_all(enumerate(frames, memory.frames), tracker), FRAMES_AHEAD)
        for together in _gather(found, 1 if clip.live else FRAMES_TOGETHER):
            yield from self._recognise(together, smoother, pictures)

    def _drop(self, _frame: Frame) -> None:
        self.dropped += 1

    def _find_all(self, frames: Iterable[tuple[int, Frame]], tracker: Tracker) -> Iterator[_Found]:
        for number, frame in frames:
            yield self._find(number, frame, tracker)

    def _find(self, number: int, frame: Frame, tracker: Tracker) -> _Found:
        detect = number % self._detect_every == 0
        if detect:
            with self.watch.measure("detect"):
                boxes = self._detector.detect(frame.rgb)
            with self.watch.measure("follow"):
                numbers = tracker.update(boxes, frame.time)
        else:
            with self.watch.measure("follow"):
                numbers, boxes = _foreseen(tracker, frame)
        with self.watch.measure("crop"):
            crops = self._crops(frame, boxes)
        return _Found(number, frame, boxes, detect, numbers, crops, tracker.tracks, tracker.started)

    def _crops(self, frame: Frame, boxes: Detections) -> UInt8Image:
        if not len(boxes):
            return np.zeros(0, np.uint8)
        info = self._model.info
        return images.crop_faces(self._model.prepare(frame.rgb), boxes.boxes.tolist(), info.size, info.margin)

    def _recognise(self, together: list[_Found], smoother: Smoother, pictures: bool) -> Iterator[Moment]:
        crops = [found.crops for found in together if len(found.crops)]
        with self.watch.measure("recognise"):
            answers = self._model.answers(np.concatenate(crops)).each() if crops else iter(())
        for found in together:
            with self.watch.measure("smooth"):
                sightings = tuple(
                    self._sighting(found, index, *next(answers), smoother) for index in range(len(found.boxes))
                )
                smoother.keep(track.number for track in found.tracks)
            height, width = found.frame.rgb.shape[:2]
            yield Moment(
                time=found.frame.time,
                size=(width, height),
                sightings=sightings,
                rgb=found.frame.rgb if pictures else None,
                hidden=_hidden(found),
                memory=Memory(found.number + 1, found.tracks, found.started, dict(smoother.pools)),
            )

    def _sighting(
        self, found: _Found, index: int, probabilities: FloatArray, effective_px: float | None, smoother: Smoother
    ) -> Sighting:
        x1, y1, x2, y2 = found.boxes.boxes[index].tolist()
        size_px, number = y2 - y1, found.numbers[index]
        info, least = self._model.info, self._min_face
        alone = likeliest(probabilities, size_px, info.certain_from, least, effective_px, info.certain_px)
        pooled = smoother.add(number, probabilities, size_px, found.frame.time, alone.effective_px)
        answer = likeliest(pooled, size_px, info.certain_from, least, effective_px, info.certain_px)
        points = None if found.boxes.landmarks is None else found.boxes.landmarks[index].tolist()
        face = Face(
            box=(x1, y1, x2, y2),
            detection_score=float(found.boxes.scores[index]),
            landmarks=points and tuple((x, y) for x, y in points),
            size_px=size_px,
            expression=answer.expression,
            probability=answer.probability,
            probabilities=answer.probabilities,
            certain=answer.certain,
            too_small=size_px < self._min_face,
            effective_px=alone.effective_px,
        )
        return Sighting(number, face, alone, probabilities, found.detected)


def _gather(found: Iterable[_Found], most: int) -> Iterator[list[_Found]]:
    """Frames in groups that fill a batch of the recogniser, or as many as may wait together."""
    together: list[_Found] = []
    faces = 0
    for one in found:
        together.append(one)
        faces += len(one.boxes)
        if len(together) >= most or faces >= BATCH:
            yield together
            together, faces = [], 0
    if together:
        yield together


def _foreseen(tracker: Tracker, frame: Frame) -> tuple[list[int], Detections]:
    """Numbers and boxes of the faces that should be in a frame nobody searched; without landmarks, score 0."""
    height, width = frame.rgb.shape[:2]
    tracks = [(track.number, track.box) for track in tracker.foresee(frame.time)]
    inside = [(number, box) for number, box in tracks if _is_inside(box.tolist(), width, height)]
    boxes = np.array([box for _, box in inside], np.float32).reshape(-1, 4)
    return [number for number, _ in inside], Detections(boxes, np.zeros(len(boxes), np.float32))


def _is_inside(box: list[float], width: int, height: int) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return 0 <= x < width and 0 <= y < height


def _hidden(found: _Found) -> tuple[Box, ...]:
    """Boxes of faces that are remembered but not among those of the frame."""
    shown = set(found.numbers)
    boxes = (track.box.tolist() for track in found.tracks if track.number not in shown)
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes)
