"""A video's faces, frame by frame: found, followed, recognised, their answers pooled over the last frames.

One frame goes the same way in a user's own loop (`VideoRecognizer.update`) and in a file or stream (`VideoRecognizer.follow`),
where three threads overlap: frames -> detection, tracking -> crops, recognition, pooling. What is searched in a frame, and
who is recognised in it, follows from frames and times alone (`searching.py`, `rationing.py`), never from the machine's speed.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrfer import images
from fsrfer.errors import InputError
from fsrfer.images import ChannelOrder, ImageSource
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.devices import CPU
from fsrfer.recognition.faces import CropModel, FaceDetector, FaceFollower, FaceRecognizer, heights_of
from fsrfer.recognition.legibility import are_cut_off
from fsrfer.types import Box, Detections, Expression, UInt8Image
from fsrfer.video.cuts import CutDetector
from fsrfer.video.pooling import Pool, Smoother
from fsrfer.video.prefetch import Stopwatch, prefetch
from fsrfer.video.quality import DEFAULT, quality_of
from fsrfer.video.rationing import LastAnswer, Ration, how_turned
from fsrfer.video.reading import Clip, Frame
from fsrfer.video.results import FrameResult, TrackedFace
from fsrfer.video.searching import Moment, is_whole_due
from fsrfer.video.state import TrackingState
from fsrfer.video.tracking import Track, Tracker

PREFETCHED_FRAMES = 4
"""Decoded frames that may wait; at 1920 x 1080 each takes 6 MB."""

FRAMES_TOGETHER = 8
"""Frames whose faces are recognised in one batch, at most."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A frame once its faces are found and numbered, before they are recognised."""

    number: int
    frame: Frame
    boxes: Detections
    detected: bool
    numbers: list[int]
    moment: Moment
    whole: float | None
    tracks: tuple[Track, ...]
    started: int


@dataclass(frozen=True, slots=True)
class _Due:
    """Faces of a frame that are recognised in it."""

    numbers: list[int]
    boxes: Detections
    cut_off: list[bool]
    mirrored: list[bool]


class VideoRecognizer:
    """Finds, follows and recognises the faces of videos; load it once.

    Attributes:
        faces: detector, recogniser of crops and rule of certainty.
        watch: seconds of work by stage: ``decode``, ``cut``, ``detect``, ``follow``, ``crop``, ``recognise``, ``smooth``.
        dropped: frames of live sources that were passed over because the work could not keep up.

    Example:
        >>> from fsrfer import VideoRecognizer
        >>> recognizer = VideoRecognizer()
        >>> frame = np.zeros((90, 120, 3), np.uint8)
        >>> result = recognizer.update(frame, time=0.0)
        >>> [(one.track, one.face.expression) for one in result.faces], result.group.faces
        ([], 0)
    """

    def __init__(
        self,
        model: str | Path | CropModel = "default",
        detector: str | Path | FaceDetector = "default",
        threads: int | None = None,
        min_face: float = MIN_FACE,
        detect_every: int = 1,
        device: str = CPU,
        quality: str = DEFAULT,
    ):
        """Load both networks.

        Args:
            model, detector, threads, min_face: as for `fsrfer.Recognizer`.
            detect_every: faces are searched for in every n-th frame, and predicted in those between, which are not searched
                at all.
            device: as for `fsrfer.Recognizer`.
            quality: ``fast``, ``balanced`` or ``best``: how often a frame that is searched is searched whole, and how often a
                face is recognised again; see `fsrfer.video.quality`.

        Raises:
            DeviceError: the device cannot be used.
            InputError: there is no such quality.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        self._quality = quality_of(quality)
        self.faces = FaceRecognizer(model, detector, threads, min_face, device)
        self._detector = self.faces.detector  # now, so that a missing one is known before anything is written
        self._detect_every = detect_every
        self.watch = Stopwatch()
        self.dropped = 0
        self.reset()

    def reset(self) -> None:
        """Forget all faces: the next frame is the first of another video."""
        self._begin(TrackingState())

    def update(self, frame: ImageSource, time: float, channel_order: ChannelOrder = "rgb") -> FrameResult:
        """Take the next frame of your own loop.

        Args:
            frame: a PIL image or a uint8 array (height x width x 3).
            time: of the frame in seconds, later than that of the last one.
            channel_order: of an array; OpenCV's are ``"bgr"``.

        Returns:
            Its faces with the numbers of their tracks.

        Raises:
            InputError: no picture, or a time that is not later; the frame is then not taken.
        """
        newest = self._newest
        if not (time < inf and (newest is None or newest < time)):
            last = "none yet" if newest is None else f"{newest:g} s"
            raise InputError(
                f"frame at {time:g} s: time must go forward (last frame: {last}); call reset() before another video"
            )
        found = self._find(Frame(time, images.as_rgb(frame, channel_order, "frame")))
        ((result, _),) = self._recognise([found], pictures=False)
        return result

    def follow(
        self,
        clip: Clip,
        every: float = 0.0,
        start: float = 0.0,
        state: TrackingState | None = None,
        pictures: bool = False,
        seek: bool = True,
    ) -> Generator[tuple[FrameResult, TrackingState], None, None]:
        """The sampled frames of an opened video with their faces, in order; constant memory however long it is.

        Args:
            clip: an opened video.
            every: seconds between two sampled frames; 0 takes every frame.
            start: seconds; where to begin.
            state: after the frame before ``start``, to resume with its faces.
            pictures: whether results carry their frames.
            seek: see `Clip.frames`.

        Yields:
            Each frame's result, and the state after it.
        """
        self._begin(state or TrackingState())
        drop = self._drop if clip.live else None
        frames = prefetch(self.watch.each("decode", self._sampled(clip, every, start, seek)), PREFETCHED_FRAMES, drop)
        found = prefetch((self._find(frame) for frame in frames), PREFETCHED_FRAMES)
        # Who is recognised in a frame depends on the answers before it, unless everybody is.
        most = FRAMES_TOGETHER if self._ration.is_free and not clip.live else 1
        for together in _gather(found, most, self.faces.batch):
            yield from self._recognise(together, pictures)

    def _begin(self, state: TrackingState) -> None:
        self._tracker = Tracker(state.tracks, state.started)
        self._smoother = Smoother(state.pools)
        self._ration = Ration(self._quality, self.faces.model.info.gflop, state.last)
        self._cuts = CutDetector()
        self._frames, self._newest, self._whole = state.frames, state.newest, state.whole

    def _sampled(self, clip: Clip, every: float, start: float, seek: bool) -> Iterator[Frame]:
        """The clip's frames from ``start`` on; where that is in its middle, the frame before is looked at for a cut alone."""
        before = start if every <= 0 else max(0.0, np.ceil(start / every - 1e-6) - 1) * every
        for frame in clip.frames(every, before, seek):
            if frame.time < start - 1e-6:
                self._cuts.is_cut(frame.rgb)
            else:
                yield frame

    def _drop(self, _frame: Frame) -> None:
        self.dropped += 1

    def _find(self, frame: Frame) -> _Found:
        """Faces of a frame with the numbers of their tracks."""
        number, time = self._frames, frame.time
        moment = Moment(time, 0.0 if self._newest is None else time - self._newest)
        self._frames, self._newest = number + 1, time
        with self.watch.measure("cut"):
            cut = self._cuts.is_cut(frame.rgb)
        if cut:
            self._tracker.end_all()
            self._whole = None
        detect = cut or number % self._detect_every == 0
        if detect:
            with self.watch.measure("detect"):
                boxes = self._search(frame.rgb, moment)
            with self.watch.measure("follow"):
                numbers = self._tracker.update(boxes, time, whole=self._whole == time)
        else:
            with self.watch.measure("follow"):
                numbers, boxes = self._tracker.predicted(time, *frame.rgb.shape[:2])
        followed = self._tracker.tracks, self._tracker.started
        return _Found(number, frame, boxes, detect, numbers, moment, self._whole, *followed)

    def _search(self, rgb: UInt8Image, moment: Moment) -> Detections:
        """Faces of a frame, of all of it or of the places where they should be."""
        until_next = Moment(moment.time, moment.step * self._detect_every)
        whole_is_due = is_whole_due(until_next, self._whole, self._quality.whole)
        if isinstance(self._detector, FaceFollower) and not whole_is_due:
            return self._detector.look(rgb, self._tracker.expected(moment.time))
        self._whole = moment.time
        return self._detector.detect(rgb)

    def _recognise(self, together: Sequence[_Found], pictures: bool) -> Iterator[tuple[FrameResult, TrackingState]]:
        """Answers of several frames in one batch, then each frame's result and the state after it."""
        with self.watch.measure("crop"):
            chosen = [self._due(found) for found in together]
            crops = [
                self.faces.crops(found.frame.rgb, due.boxes)
                for found, due in zip(together, chosen, strict=True)
                if due.numbers
            ]
        heights = [height for due in chosen for height in heights_of(due.boxes)]
        cut_off = [cut for due in chosen for cut in due.cut_off]
        mirrored = None if self._quality.both_views else [mirrored for due in chosen for mirrored in due.mirrored]
        with self.watch.measure("recognise"):
            answers = iter(self.faces.expressions(np.concatenate(crops), heights, cut_off, mirrored) if crops else ())
        for found, due in zip(together, chosen, strict=True):
            with self.watch.measure("smooth"):
                new = dict(zip(due.numbers, islice(answers, len(due.numbers)), strict=True))
                faces = self._tracked(found, new, dict(zip(due.numbers, due.mirrored, strict=True)))
                self._smoother.keep(track.number for track in found.tracks)
                self._ration.keep(track.number for track in found.tracks)
            height, width = found.frame.rgb.shape[:2]
            rgb = found.frame.rgb if pictures else None
            yield FrameResult(found.frame.time, width, height, faces, _hidden(found), rgb), self._state_after(found)

    def _due(self, found: _Found) -> _Due:
        """The faces of a frame that are recognised in it."""
        size = found.frame.rgb.shape[0], found.frame.rgb.shape[1]
        due = self._ration.due(found.numbers, found.boxes, found.moment, size, found.detected)
        boxes = _select(found.boxes, due)
        numbers = [number for number, is_due in zip(found.numbers, due.tolist(), strict=True) if is_due]
        last = (self._ration.last.get(number) for number in numbers)
        mirrored = [one is not None and not one.mirrored for one in last]
        return _Due(numbers, boxes, are_cut_off(boxes, *size).tolist(), mirrored)

    def _tracked(
        self, found: _Found, new: Mapping[int, Expression], mirrored: Mapping[int, bool]
    ) -> tuple[TrackedFace, ...]:
        """Faces of a frame: new answers are pooled with those of the frames before, for the others the last ones stand."""
        time = found.frame.time
        turned = how_turned(found.boxes)
        pooled: list[Expression] = []
        for number, height, aside in zip(found.numbers, heights_of(found.boxes), turned, strict=True):
            if number in new:
                answer = self._judged(self._smoother.add(number, new[number], time), height, new[number])
                self._ration.last[number] = LastAnswer(time, new[number], aside, answer.certain, mirrored[number])
            else:
                answer = self._judged(self._smoother.pools[number], height, self._ration.last[number].answer)
            pooled.append(answer)
        rows = zip(found.numbers, self.faces.assemble(found.boxes, pooled), strict=True)
        return tuple(
            TrackedFace(number, face, self._ration.last[number].answer, found.detected, number in new)
            for number, face in rows
        )

    def _judged(self, pool: Pool, height: float, last: Expression) -> Expression:
        return self.faces.rule.judge(pool.probabilities, height, last.effective_px, pool.legible)

    def _state_after(self, found: _Found) -> TrackingState:
        return TrackingState(
            found.number + 1,
            found.tracks,
            found.started,
            dict(self._smoother.pools),
            found.frame.time,
            found.whole,
            {} if self._ration.is_free else dict(self._ration.last),
        )


def _gather(found: Iterable[_Found], most: int, batch: int) -> Iterator[list[_Found]]:
    """Frames in groups that fill a batch of the recogniser, or as many as may wait together."""
    together: list[_Found] = []
    faces = 0
    for one in found:
        together.append(one)
        faces += len(one.boxes)
        if len(together) >= most or faces >= batch:
            yield together
            together, faces = [], 0
    if together:
        yield together


def _select(found: Detections, which: NDArray[np.bool_]) -> Detections:
    landmarks = None if found.landmarks is None else found.landmarks[which]
    return Detections(found.boxes[which], found.scores[which], landmarks)


def _hidden(found: _Found) -> tuple[Box, ...]:
    """Boxes of faces that are remembered but not among those of the frame."""
    shown = set(found.numbers)
    boxes = (track.box.tolist() for track in found.tracks if track.number not in shown)
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes)
