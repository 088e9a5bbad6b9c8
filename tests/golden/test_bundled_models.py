"""The bundled models answer as they did: stored answers of each, and an accuracy below which none may fall.

``python tests/golden/test_bundled_models.py`` writes the answers anew, which only new models are a reason for.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsrfer import Recognizer
from fsrfer.cli.demo import HEIGHTS, bundled_portrait, shrinking_row
from fsrfer.data import ferplus
from fsrfer.data.dataset import FaceDataset
from fsrfer.images import load_rgb, shrink_and_restore
from fsrfer.labels import EXPRESSIONS

KEPT = Path(__file__).with_name("answers.json")
MODELS = ("default", "fast")

FACE_TOP, FACE_BOTTOM = 120, 333
"""Of the portrait's face, in its pixels."""

FLOORS = {"default": {1: 0.84, 4: 0.79, 8: 0.636}, "fast": {1: 0.804, 4: 0.733, 8: 0.576}}
"""Accuracy on the first thousand faces of FER2013Valid (of `default` the first 300): up to a point below what was measured."""


def made_crops() -> list[np.ndarray]:
    """The portrait's face at several sizes, and noise: what needs no data."""
    face = Image.fromarray(load_rgb(bundled_portrait())).crop((182, FACE_TOP, 354, FACE_BOTTOM))
    shrunk = [face.resize((side, side), Image.Resampling.BICUBIC) for side in (96, 48, 24, 12, 8)]
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    return [*(np.asarray(one) for one in shrunk), noise]


def answers(model: str) -> dict[str, Any]:
    """What a model says of the made crops, and of the faces found in the demo's picture."""
    recognizer = Recognizer(model, "tiny", threads=1)
    picture, _ = shrinking_row(load_rgb(bundled_portrait()), FACE_BOTTOM - FACE_TOP, HEIGHTS)
    faces = sorted(recognizer.predict(picture).faces, key=lambda face: face.box)
    return {
        "crops": [[round(float(value), 6) for value in row] for row in recognizer.probabilities(made_crops())],
        "effective_px": [round(one.effective_px or 0.0, 3) for one in recognizer.classify(made_crops())],
        "boxes": [[round(value, 2) for value in face.box] for face in faces],
        "faces": [[round(face.probabilities[name], 6) for name in EXPRESSIONS] for face in faces],
        "certain": [face.certain for face in faces],
    }


@pytest.mark.parametrize("model", MODELS)
def test_stored_answers(model: str) -> None:
    kept, now = json.loads(KEPT.read_text(encoding="utf-8"))[model], answers(model)
    assert now["certain"] == kept["certain"]
    np.testing.assert_allclose(now["crops"], kept["crops"], atol=1e-4)
    np.testing.assert_allclose(now["effective_px"], kept["effective_px"], rtol=1e-3)
    np.testing.assert_allclose(now["boxes"], kept["boxes"], atol=0.05)
    np.testing.assert_allclose(now["faces"], kept["faces"], atol=1e-3)  # boxes may differ in the last digit


@pytest.fixture(scope="module")
def valid_faces(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceDataset:
    """FER+'s validation part, unpacked."""
    archive = shared_data / "ferplus.zip"
    if not archive.is_file():
        pytest.skip(f"the faces are not at {archive}")
    folder = tmp_path_factory.mktemp("ferplus")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder, [name for name in packed.namelist() if "FER2013Valid/" in name])
    return ferplus.read(folder / "ferplus", "valid")


@pytest.mark.parametrize("model", MODELS)
def test_accuracy_does_not_fall(model: str, valid_faces: FaceDataset) -> None:
    faces = valid_faces
    count = 300 if model == "default" else 1000
    sharp, labels = [faces.load(index) for index in range(count)], faces.labels[:count]
    recognizer = Recognizer(model)
    for factor, floor in FLOORS[model].items():
        rows = recognizer.probabilities([shrink_and_restore(face, factor) for face in sharp])
        assert (rows.argmax(1) == labels).mean() >= floor, f"x{factor}"


@pytest.mark.parametrize("model", MODELS)
def test_a_model_in_8_bits_answers_as_the_whole_one_does(model: str, valid_faces: FaceDataset) -> None:
    sharp = [valid_faces.load(index) for index in range(100)]
    crops = [shrink_and_restore(face, factor) for factor in (1, 4) for face in sharp]
    whole, small = (Recognizer(name).probabilities(crops) for name in (model, f"{model}-int8"))
    assert (whole.argmax(1) == small.argmax(1)).mean() >= 0.95
    assert np.abs(whole - small).mean() < 0.02


if __name__ == "__main__":
    KEPT.write_text(json.dumps({model: answers(model) for model in MODELS}, indent=1) + "\n", encoding="utf-8")
