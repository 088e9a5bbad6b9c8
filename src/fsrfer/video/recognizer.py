"""A video's faces, frame by frame: found, followed, recognised, their answers pooled over the last frames.

One frame goes the same way in a user's own loop (`VideoRecognizer.update`) and in a file or stream (`VideoRecognizer.follow`),
where three threads overlap: frames -> detection, tracking, crops -> recognition in batches across frames, pooling.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path

import numpy as np

from fsrfer import images
from fsrfer.errors import InputError
from fsrfer.images import ChannelOrder, ImageSource
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.devices import CPU
from fsrfer.recognition.faces import CropModel, FaceDetector, FaceRecognizer, heights_of
from fsrfer.recognition.legibility import are_cut_off
from fsrfer.types import Box, Detections, Expression, UInt8Image
from fsrfer.video.cuts import CutDetector
from fsrfer.video.pooling import Smoother
from fsrfer.video.prefetch import Stopwatch, prefetch
from fsrfer.video.reading import Clip, Frame
from fsrfer.video.results import FrameResult, TrackedFace
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
    crops: UInt8Image
    cut_off: list[bool]
    tracks: tuple[Track, ...]
    started: int


class VideoRecognizer:
    """Finds, follows and recognises the faces of videos; load it once.

    Attributes:
        faces: detector, recogniser of crops and rule of certainty.
        watch: seconds of work by stage: ``decode``, ``detect``, ``follow``, ``crop``, ``recognise``, ``smooth``.
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
    ):
        """Load both networks.

        Args:
            model, detector, threads, min_face: as for `fsrfer.Recognizer`.
            detect_every: faces are searched for in every n-th frame, and predicted in those between.
            device: as for `fsrfer.Recognizer`.

        Raises:
            DeviceError: the device cannot be used.
            ModelError: a model is missing, damaged, or not one of ours.
        """
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
        if not self._newest < time < inf:
            last = "none yet" if self._newest == -inf else f"{self._newest:g} s"
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
        for together in _gather(found, 1 if clip.live else FRAMES_TOGETHER, self.faces.batch):
            yield from self._recognise(together, pictures)

    def _begin(self, state: TrackingState) -> None:
        self._tracker = Tracker(state.tracks, state.started)
        self._smoother = Smoother(state.pools)
        self._cuts = CutDetector()
        self._frames, self._newest = state.frames, -inf

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
        """Faces of a frame with the numbers of their tracks, and their crops."""
        number = self._frames
        self._frames, self._newest = number + 1, frame.time
        cut = self._cuts.is_cut(frame.rgb)
        if cut:
            self._tracker.end_all()
        detect = cut or number % self._detect_every == 0
        if detect:
            with self.watch.measure("detect"):
                boxes = self._detector.detect(frame.rgb)
            with self.watch.measure("follow"):
                numbers = self._tracker.update(boxes, frame.time)
        else:
            with self.watch.measure("follow"):
                numbers, boxes = self._tracker.predicted(frame.time, *frame.rgb.shape[:2])
        with self.watch.measure("crop"):
            crops = self.faces.crops(frame.rgb, boxes) if len(boxes) else np.zeros(0, np.uint8)
        cut_off = are_cut_off(boxes, *frame.rgb.shape[:2]).tolist()
        followed = self._tracker.tracks, self._tracker.started
        return _Found(number, frame, boxes, detect, numbers, crops, cut_off, *followed)

    def _recognise(self, together: Sequence[_Found], pictures: bool) -> Iterator[tuple[FrameResult, TrackingState]]:
        """Answers of several frames in one batch, then each frame's result and the state after it."""
        crops = [found.crops for found in together if len(found.crops)]
        heights = [height for found in together for height in heights_of(found.boxes)]
        cut_off = [cut for found in together for cut in found.cut_off]
        with self.watch.measure("recognise"):
            answers = iter(self.faces.expressions(np.concatenate(crops), heights, cut_off) if crops else ())
        for found in together:
            with self.watch.measure("smooth"):
                faces = self._tracked(found, list(islice(answers, len(found.boxes))))
                self._smoother.keep(track.number for track in found.tracks)
            height, width = found.frame.rgb.shape[:2]
            rgb = found.frame.rgb if pictures else None
            result = FrameResult(found.frame.time, width, height, faces, _hidden(found), rgb)
            yield result, TrackingState(found.number + 1, found.tracks, found.started, dict(self._smoother.pools))

    def _tracked(self, found: _Found, alone: Sequence[Expression]) -> tuple[TrackedFace, ...]:
        """Faces of a frame, whose answers are pooled with those of the frames before."""
        time = found.frame.time
        pooled = [self._pooled(number, answer, time) for number, answer in zip(found.numbers, alone, strict=True)]
        rows = zip(found.numbers, self.faces.assemble(found.boxes, pooled), alone, strict=True)
        return tuple(TrackedFace(number, face, answer, found.detected) for number, face, answer in rows)

    def _pooled(self, number: int, answer: Expression, time: float) -> Expression:
        pool = self._smoother.add(number, answer, time)
        return self.faces.rule.judge(pool.probabilities, answer.size_px, answer.effective_px, pool.legible)


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


def _hidden(found: _Found) -> tuple[Box, ...]:
    """Boxes of faces that are remembered but not among those of the frame."""
    shown = set(found.numbers)
    boxes = (track.box.tolist() for track in found.tracks if track.number not in shown)
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes)
