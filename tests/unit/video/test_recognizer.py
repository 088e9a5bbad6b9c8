from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fsrfer.types import Detections, UInt8Image
from fsrfer.video.reading import Frame
from fsrfer.video.recognizer import CrowdRecognizer, Moment
from fsrfer.video.recorder import FACE_COLUMNS, Window, face_row
from support.toy_model import write_toy


class GreyClip:
    """A clip of even greys, one frame a second."""

    live = False

    def __init__(self, *levels: int):
        self._levels = levels

    def frames(self, every: float = 0.0, start: float = 0.0) -> Iterator[Frame]:
        for second, level in enumerate(self._levels):
            yield Frame(float(second), np.full((100, 100, 3), level, np.uint8))


class OneFace:
    """A detector that finds a face of 60 px in the middle of every frame."""

    def detect(self, rgb: UInt8Image) -> Detections:
        return Detections(np.array([[20, 20, 80, 80]], np.float32), np.ones(1, np.float32))


def moments_of(model: Path, *levels: int) -> list[Moment]:
    recognizer = CrowdRecognizer(model, "fast", threads=1)
    recognizer._detector = OneFace()  # type: ignore[assignment]
    return list(recognizer.moments(GreyClip(*levels)))  # type: ignore[arg-type]


def window_of(moments: list[Moment]) -> Window:
    window = Window(0)
    for moment in moments:
        window.add(moment)
    return window


@pytest.fixture
def estimating(tmp_path: Path) -> Path:
    """A model to which an even grey of 40 is a face of 8 px, and one of 80 a face of 16 px."""
    return write_toy(tmp_path / "estimating.onnx", effective="N x 1")


def test_every_sighting_has_the_effective_height_of_its_frame(estimating: Path) -> None:
    sightings = [moment.sightings[0] for moment in moments_of(estimating, 40, 80)]
    assert [sighting.face.size_px for sighting in sightings] == [60, 60]
    assert [sighting.face.effective_px for sighting in sightings] == pytest.approx([8, 16])
    assert [sighting.alone.effective_px for sighting in sightings] == pytest.approx([8, 16])


def test_frames_weigh_by_effective_heights_in_the_answer_of_a_track(estimating: Path) -> None:
    (moment,) = moments_of(estimating, 40)
    (pool,) = moment.memory.pools.values()
    assert (pool.size_px, pool.effective_px) == pytest.approx((60, 8))


def test_the_table_of_faces_has_effective_heights(estimating: Path, toy: Path) -> None:
    for model, height in ((estimating, 16.0), (toy, None)):
        (moment,) = moments_of(model, 80)
        row = face_row(moment.time, moment.sightings[0])
        assert tuple(row) == FACE_COLUMNS
        assert (row["size_px"], row["effective_px"]) == (60, height)


def test_a_window_is_corrected_by_effective_heights(estimating: Path) -> None:
    # Frames weigh by area: (8 x 1/4 + 16 x 1) / (1/4 + 1) = 14.4.
    tally = window_of(moments_of(estimating, 40, 80)).tally(certain_from=0.5, min_face=40)
    assert tally.rows()[1] == pytest.approx([14.4], rel=1e-4)
    assert (tally.counted, tally.too_small) == (1, 0)


def test_a_window_goes_by_heights_where_the_model_estimates_no_others(toy: Path) -> None:
    tally = window_of(moments_of(toy, 40, 80)).tally(certain_from=0.5, min_face=40)
    assert tally.rows()[1] == pytest.approx([60])
