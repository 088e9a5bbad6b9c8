"""How often frames are searched whole and faces recognised: found in time, numbers kept, nothing forgotten on resume."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fsrfer import VideoRecognizer
from fsrfer.errors import InputError
from fsrfer.types import Detections, Expression, FloatArray, UInt8Image
from fsrfer.video.quality import QUALITIES, quality_of
from fsrfer.video.rationing import LastAnswer, Ration
from fsrfer.video.reading import Frame
from fsrfer.video.recorder import Window
from fsrfer.video.results import FrameResult
from fsrfer.video.searching import Moment
from fsrfer.video.state import TrackingState

RATE = 25

Boxes = Callable[[float], list[tuple[float, float, float]]]
"""The faces at a time: centre and side."""


class MadeClip:
    """Grey frames of 200 x 100 pixels in which a pixel tells the number of the frame; some texture, so that none is a cut."""

    live = False

    def __init__(self, seconds: float):
        self._ground = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
        self._frames = range(round(seconds * RATE))

    def frames(self, every: float = 0.0, start: float = 0.0, seek: bool = True) -> Iterator[Frame]:
        for number in self._frames:
            time = number / RATE
            if time >= start - 1e-6:
                rgb = self._ground.copy()
                rgb[0, 0] = (number // 256, number % 256, 0)
                yield Frame(time, rgb)


class Whole:
    """A detector that knows where the faces are, and notes when it searched all of a frame."""

    def __init__(self, faces: Boxes):
        self.faces, self.searched = faces, list[float]()

    def detect(self, image: UInt8Image) -> Detections:
        self.searched.append(self._time(image))
        return self._found(image)

    def _found(self, image: UInt8Image) -> Detections:
        rows = self.faces(self._time(image))
        boxes = [(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y, side in rows]
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))

    def _time(self, image: UInt8Image) -> float:
        return float(image[0, 0, 0] * 256.0 + image[0, 0, 1]) / RATE


class Quick(Whole):
    """It also finds expected faces again."""

    def look(self, image: UInt8Image, expected: FloatArray) -> Detections:
        found = self._found(image)
        centres, near = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (found.boxes, expected))
        sides = found.boxes[:, 3] - found.boxes[:, 1]
        distances = np.abs(centres[:, None] - near[None]).max(axis=2)
        is_near = distances.min(axis=1, initial=np.inf) < sides / 2
        return Detections(found.boxes[is_near], found.scores[is_near])


def still(_time: float) -> list[tuple[float, float, float]]:
    return [(50, 50, 20)]


def run(toy: Path, detector: Whole, quality: str, seconds: float) -> list[tuple[FrameResult, TrackingState]]:
    recognizer = VideoRecognizer(toy, detector, threads=1, quality=quality)
    return list(recognizer.follow(MadeClip(seconds)))  # type: ignore[arg-type]


@pytest.mark.parametrize("quality", QUALITIES)
def test_whole_frames_are_searched_twice_a_second_or_always(toy: Path, quality: str) -> None:
    detector = Quick(still)
    results = run(toy, detector, quality, 4)
    assert max(np.diff([*detector.searched, 4.0])) <= 0.5 + 1e-6
    assert len(detector.searched) == (100 if quality == "best" else 9)
    assert all(one.detected for result, _ in results for one in result.faces)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("entered", [0.52, 1.0, 1.44])
def test_who_enters_is_found_within_half_a_second(toy: Path, quality: str, entered: float) -> None:
    detector = Quick(lambda time: still(time) + ([(120, 40, 16)] if time >= entered else []))
    seen = [result.time for result, _ in run(toy, detector, quality, 3) if len(result.faces) == 2]
    assert entered - 1e-6 <= seen[0] <= entered + 0.5 + 1e-6
    assert seen[-1] == pytest.approx(3 - 1 / RATE)
    assert len(seen) == round((3 - seen[0]) * RATE)


@pytest.mark.parametrize("quality", QUALITIES)
def test_small_faces_that_pass_each_other_keep_their_numbers(toy: Path, quality: str) -> None:
    rng = np.random.default_rng(0)
    jitter = {number: rng.normal(0, 0.6, (2, 2)) for number in range(200)}

    def passing(time: float) -> list[tuple[float, float, float]]:
        (ax, ay), (bx, by) = jitter[round(time * RATE)]
        return [(20 + 30 * time + ax, 40 + ay, 16), (170 - 30 * time + bx, 58 + by, 20)]

    results = [result for result, _ in run(toy, Quick(passing), quality, 5)]
    numbers = {tuple(sorted((round(one.face.size_px), one.track) for one in result.faces)) for result in results}
    assert numbers == {((16, 1), (20, 2))}


def test_a_detector_of_ones_own_without_quick_looks_searches_every_frame(toy: Path) -> None:
    detector = Whole(still)
    run(toy, detector, "balanced", 1)
    assert len(detector.searched) == RATE


def test_after_a_cut_the_whole_frame_is_searched(toy: Path) -> None:
    detector = Quick(still)
    recognizer = VideoRecognizer(toy, detector, threads=1)
    scenes = [
        np.repeat(np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8), 25, 0).repeat(25, 1)
        for seed in (1, 2)
    ]
    for number, scene in enumerate((0, 0, 0, 1, 1)):
        frame = scenes[scene].copy()
        frame[0, 0] = (0, number, 0)
        recognizer.update(frame, number / RATE)
    assert detector.searched == [0, 3 / RATE]


def test_what_only_quick_looks_see_is_soon_given_up(toy: Path) -> None:
    class Content(Quick):
        def detect(self, image: UInt8Image) -> Detections:
            found = super().detect(image)
            return found if self._time(image) == 0 else Detections(found.boxes[:0], found.scores[:0])

    seen = [result.time for result, _ in run(toy, Content(still), "balanced", 4) if result.faces]
    assert 1.0 < seen[-1] <= 1.5


def test_an_answer_stands_until_a_face_is_recognised_again(toy: Path) -> None:
    results = [result for result, _ in run(toy, Quick(still), "balanced", 4)]
    faces = [result.faces[0] for result in results]
    times = [result.time for result, face in zip(results, faces, strict=True) if face.recognised]
    assert 4 <= len(times) <= 9
    assert max(np.diff(times)) <= 1.5 * QUALITIES["balanced"].answer
    for before, after in pairwise(faces):
        if not after.recognised:
            assert after.frame_answer == before.frame_answer
            assert after.face.probabilities == before.face.probabilities
    window = Window(0)
    for result in results:
        window.add(result)
    assert window.pools[1].frames == len(times)
    assert all(face.recognised for result, _ in run(toy, Quick(still), "best", 1) for face in result.faces)


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_resumed_run_answers_as_one_that_was_not_stopped(toy: Path, quality: str) -> None:
    def moving(time: float) -> list[tuple[float, float, float]]:
        return [(20 + 10 * index + 8 * time, 20 + 9 * index, 14 + index) for index in range(6)]

    straight = run(toy, Quick(moving), quality, 4)
    for stopped in (30, 41, 57):
        state = TrackingState.from_dict(json.loads(json.dumps(straight[stopped][1].to_dict())))
        again = VideoRecognizer(toy, Quick(moving), threads=1, quality=quality)
        rest = list(again.follow(MadeClip(4), start=(stopped + 1) / RATE, state=state))  # type: ignore[arg-type]
        assert [result for result, _ in rest] == [result for result, _ in straight[stopped + 1 :]]
        assert rest[-1][1].to_dict() == straight[-1][1].to_dict()


def answer(height: float) -> Expression:
    return Expression(height, "neutral", 0.9, {"neutral": 0.9}, True)


def due(ration: Ration, time: float, height: float = 20, faces: int = 1, turned: float | None = None) -> list[bool]:
    boxes = np.array([[10, 10, 10 + height, 10 + height]] * faces, np.float32)
    nose = 0.0 if turned is None else turned
    points = np.array([[[0, 0], [10, 0], [5 + 10 * nose, 5], [0, 9], [10, 9]]] * faces, np.float32)
    found = Detections(boxes, np.ones(faces, np.float32), None if turned is None else points)
    return ration.due(list(range(faces)), found, Moment(time, 0.04), (100, 200), True).tolist()


def begun(faces: int = 1, turned: float | None = None, certain: bool = True, gflop: float = 0.8) -> Ration:
    last = {number: LastAnswer(10.0, answer(20), turned, certain) for number in range(faces)}
    return Ration(QUALITIES["balanced"], gflop, last)


def test_a_face_is_recognised_when_it_may_show_more() -> None:
    assert due(begun(), 10.04) == [False]
    assert due(begun(), 10.04, height=26) == [True]
    assert due(begun(turned=0.5), 10.04, turned=0.4) == [False]
    assert due(begun(turned=0.5), 10.04, turned=0.1) == [True]
    assert due(begun(), 10.04, faces=2) == [False, True]  # the second was never recognised


def turns(ration: Ration, faces: int = 1) -> float:
    """Mean time until a face is due again, over where in its turn it was recognised."""
    waits = []
    for began in np.arange(100, 110, 0.31):
        ration.last = {number: LastAnswer(began, answer(20), None, one.certain) for number, one in ration.last.items()}
        waits.append(next(wait for wait in np.arange(0.04, 20, 0.04) if due(ration, began + wait, faces=faces)[0]))
    return float(np.mean(waits))


def test_how_soon_it_is_due_again() -> None:
    usual = turns(begun())
    assert turns(begun(certain=False)) == pytest.approx(usual / 2, rel=0.2)
    assert turns(begun(faces=100), faces=100) == pytest.approx(2 * usual, rel=0.2)
    assert turns(begun(gflop=0.08)) < usual / 4


def test_a_quality_that_does_not_exist_is_told() -> None:
    with pytest.raises(InputError, match="fast, balanced, best"):
        quality_of("better")
