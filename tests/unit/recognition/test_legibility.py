import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.cli.demo import bundled_portrait
from fsrfer.images import load_rgb, resize
from fsrfer.model_file import ModelInfo
from fsrfer.recognition.faces import FaceRecognizer
from fsrfer.recognition.legibility import LegibilityModel, are_cut_off
from fsrfer.recognition.model import Answers
from fsrfer.types import Detections, UInt8Image
from support.toy_model import TOY_INFO, stripes, write_toy


@pytest.fixture(scope="module")
def portrait() -> UInt8Image:
    """A face, 48 x 48 x 3."""
    face = Image.fromarray(load_rgb(bundled_portrait())).crop((162, 120, 374, 332))
    return np.asarray(face.resize((48, 48), Image.Resampling.BICUBIC))


def test_a_face_can_be_told_and_what_is_none_cannot(portrait: UInt8Image) -> None:
    noise = np.random.default_rng(0).integers(0, 256, portrait.shape, np.uint8)
    masked = portrait.copy()
    masked[27:] = 190
    crops = np.stack([portrait, portrait[:, ::-1], portrait[::-1], masked, noise, np.zeros_like(portrait)])
    legible = LegibilityModel().legible(crops)
    assert legible.dtype == np.float32
    assert (legible >= 0.5).tolist() == [True, True, False, False, False, False]
    assert ((legible >= 0) & (legible <= 1)).all()


def test_crops_may_have_any_size_and_batches_change_nothing(portrait: UInt8Image) -> None:
    network = pickle.loads(pickle.dumps(LegibilityModel()))  # as it is sent to another process
    large = resize(portrait, (100, 100))
    together = network.legible(np.stack([large] * 70))
    assert together.shape == (70,)
    np.testing.assert_allclose(together, network.legible(large[None])[0], atol=1e-5)


def test_a_face_is_cut_off_where_a_landmark_lies_beyond_the_edge() -> None:
    inside = [[30, 40], [60, 40], [45, 60], [32, 75], [58, 75]]
    below, beside = [*inside[:3], [32, 101], [58, 101]], [[-1, 40], *inside[1:]]
    marks = np.array([inside, below, beside], np.float32)
    found = Detections(np.tile(np.float32([10, 0, 80, 100]), (3, 1)), np.ones(3, np.float32), marks)
    assert are_cut_off(found, height=100, width=90).tolist() == [False, True, True]
    assert are_cut_off(Detections(found.boxes, found.scores), 100, 90).tolist() == [False] * 3


def test_no_answer_is_certain_where_the_edge_takes_the_mouth(tmp_path: Path) -> None:
    recognizer = FaceRecognizer(write_toy(tmp_path / "toy.onnx", legible=0.9))
    picture = np.repeat(stripes(3)[:, :, None], 3, axis=2)
    marks = np.full((2, 5, 2), 14, np.float32)
    marks[1, 3:] = 29
    box = np.tile(np.float32([0, 0, 28, 28]), (2, 1))
    whole, cut = recognizer.faces(picture, Detections(box, np.ones(2, np.float32), marks))
    assert (whole.certain, whole.legible) == (True, pytest.approx(0.9))
    assert (cut.certain, cut.legible) == (False, 0.0)
    assert cut.probabilities == whole.probabilities


def test_the_bundled_network_speaks_for_models_that_do_not(portrait: UInt8Image) -> None:
    class Sure:
        """A recogniser of crops that is sure of everything."""

        info: ModelInfo = TOY_INFO
        sha256 = "none"

        def prepare(self, image: UInt8Image) -> UInt8Image:
            return image

        def answers(self, crops: UInt8Image) -> Answers:
            return Answers(np.tile(np.eye(7, dtype=np.float32)[3], (len(crops), 1)), None)

    upside_down = np.ascontiguousarray(portrait[::-1])
    seen, hidden = FaceRecognizer(Sure()).expressions(np.stack([portrait, upside_down]), [40, 40])
    assert (seen.certain, hidden.certain) == (True, False)
    assert seen.probabilities == hidden.probabilities
