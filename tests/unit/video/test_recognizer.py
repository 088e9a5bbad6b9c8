import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fsrfer import VideoRecognizer
from fsrfer.errors import InputError
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.types import Detections, UInt8Image
from fsrfer.video.reading import Frame
from fsrfer.video.recorder import FACE_COLUMNS, tracked_row
from fsrfer.video.results import FrameResult
from fsrfer.video.state import TrackingState
from fsrfer.video.windows import Window
from support.toy_model import write_toy

RULE = CertaintyRule(0.5, min_face=40)


class GreyClip:
    """A clip of even greys, one frame a second."""

    live = False

    def __init__(self, *levels: int):
        self._levels = levels

    def frames(self, every: float = 0.0, start: float = 0.0, seek: bool = True) -> Iterator[Frame]:
        for second, level in enumerate(self._levels):
            yield Frame(float(second), np.full((100, 100, 3), level, np.uint8))


class OneFace:
    """A detector that finds a face of 60 px in the middle of every frame."""

    def detect(self, rgb: UInt8Image) -> Detections:
        return Detections(np.array([[20, 20, 80, 80]], np.float32), np.ones(1, np.float32))


def followed(model: Path, *levels: int) -> list[tuple[FrameResult, TrackingState]]:
    recognizer = VideoRecognizer(model, OneFace(), threads=1)
    return list(recognizer.follow(GreyClip(*levels)))  # type: ignore[arg-type]


def results_of(model: Path, *levels: int) -> list[FrameResult]:
    return [result for result, _ in followed(model, *levels)]


def window_of(results: list[FrameResult]) -> Window:
    window = Window(0)
    for result in results:
        window.add(result)
    return window


@pytest.fixture
def estimating(tmp_path: Path) -> Path:
    """A model to which an even grey of 40 is a face of 8 px, and one of 80 a face of 16 px."""
    return write_toy(tmp_path / "estimating.onnx", effective="N x 1")


def test_every_face_has_the_effective_height_of_its_frame(estimating: Path) -> None:
    faces = [result.faces[0] for result in results_of(estimating, 40, 80)]
    assert [one.face.size_px for one in faces] == [60, 60]
    assert [one.face.effective_px for one in faces] == pytest.approx([8, 16])
    assert [one.frame_answer.effective_px for one in faces] == pytest.approx([8, 16])


def test_frames_weigh_by_effective_heights_in_the_answer_of_a_track(estimating: Path) -> None:
    ((_, state),) = followed(estimating, 40)
    (pool,) = state.pools.values()
    assert (pool.size_px, pool.effective_px) == pytest.approx((60, 8))


def test_the_table_of_faces_has_effective_heights(estimating: Path, toy: Path) -> None:
    for model, height in ((estimating, 16.0), (toy, None)):
        (result,) = results_of(model, 80)
        row = tracked_row(result.time, result.faces[0])
        assert tuple(row) == FACE_COLUMNS
        assert (row["size_px"], row["effective_px"]) == (60, height)


def test_a_window_is_corrected_by_effective_heights(estimating: Path) -> None:
    # Frames weigh by area: (8 x 1/4 + 16 x 1) / (1/4 + 1) = 14.4.
    tally = window_of(results_of(estimating, 40, 80)).tally(RULE)
    assert tally.rows()[1] == pytest.approx([14.4], rel=1e-4)
    assert (tally.counted, tally.too_small) == (1, 0)


def test_a_window_goes_by_heights_where_the_model_estimates_no_others(toy: Path) -> None:
    tally = window_of(results_of(toy, 40, 80)).tally(RULE)
    assert tally.rows()[1] == pytest.approx([60])


def test_a_users_own_loop_gives_what_a_clip_gives(estimating: Path) -> None:
    levels = (40, 80, 60)
    recognizer = VideoRecognizer(estimating, OneFace(), threads=1)
    frames = [next(GreyClip(level).frames()).rgb for level in levels]
    mine = [recognizer.update(frame, float(second)) for second, frame in enumerate(frames)]
    assert mine == results_of(estimating, *levels)
    assert [result.faces[0].track for result in mine] == [1, 1, 1]
    assert mine[0].group.faces == 1
    assert pickle.loads(pickle.dumps(mine)) == mine


def test_time_must_go_forward_until_another_video_begins(toy: Path) -> None:
    recognizer = VideoRecognizer(toy, OneFace(), threads=1)
    frame = np.zeros((100, 100, 3), np.uint8)
    for time in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="time must go forward"):
            recognizer.update(frame, time)
    with pytest.raises(InputError, match="uint8"):
        recognizer.update(frame / 255, 1.0)
    recognizer.update(frame, 1.0)  # a frame that was refused took no time
    for time in (1.0, 0.5, float("nan")):
        with pytest.raises(InputError, match="time must go forward"):
            recognizer.update(frame, time)
    recognizer.reset()
    assert recognizer.update(frame, 0.0).faces[0].track == 1


def test_after_a_cut_everybody_is_somebody_else(toy: Path) -> None:
    recognizer = VideoRecognizer(toy, OneFace(), threads=1, detect_every=10)
    scenes = [
        np.repeat(np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8), 25, 0).repeat(25, 1)
        for seed in (1, 2)
    ]
    shown = [recognizer.update(scenes[index], second / 2) for second, index in enumerate((0, 0, 1, 1))]
    assert [result.faces[0].track for result in shown] == [1, 1, 2, 2]
    assert [result.faces[0].detected for result in shown] == [True, False, True, False]
