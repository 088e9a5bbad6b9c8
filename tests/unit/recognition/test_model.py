from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from fsrfer.errors import ModelError
from fsrfer.labels import EXPRESSIONS
from fsrfer.recognition import model as recognition
from fsrfer.recognition.model import DOUBT, ExpressionModel, bundled_models, softmax
from fsrfer.types import UInt8Image
from support.toy_model import TOY_INFO, stripes, toy_bytes, write_toy


@pytest.fixture
def seven() -> UInt8Image:
    """A crop for each of the toy model's labels."""
    return np.stack([stripes(winner) for winner in range(7)])


def test_probabilities_are_softmax_of_the_logits_and_sum_to_one(toy: Path, seven: UInt8Image) -> None:
    probabilities = ExpressionModel(toy, threads=1).probabilities(seven)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (7, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.diag(probabilities), np.exp(8) / (np.exp(8) + 6), rtol=1e-5)


def test_labels_travel_with_the_model(tmp_path: Path, seven: UInt8Image) -> None:
    # The same network, told that its outputs stand in another order, under usual synonyms.
    order = ("happy", "neutral", "angry", "sad", "fear", "disgust", "surprise")
    model = ExpressionModel(write_toy(tmp_path / "toy.onnx", labels=order), threads=1)
    winners = [EXPRESSIONS[index] for index in model.probabilities(seven).argmax(axis=1)]
    assert winners == ["happiness", "neutral", "anger", "sadness", "fear", "disgust", "surprise"]


def test_temperature_softens(tmp_path: Path, seven: UInt8Image) -> None:
    hot = ExpressionModel(write_toy(tmp_path / "toy.onnx", temperature=4.0), threads=1).probabilities(seven)
    np.testing.assert_allclose(np.diag(hot), np.exp(2) / (np.exp(2) + 6), rtol=1e-5)


def test_flip_averages_a_face_in_doubt_with_its_mirror_image(tmp_path: Path, seven: UInt8Image) -> None:
    plain = ExpressionModel(write_toy(tmp_path / "toy.onnx", temperature=8.0), threads=1)
    flipped = ExpressionModel(write_toy(tmp_path / "both.onnx", temperature=8.0, flip=True), threads=1)
    expected = (plain.probabilities(seven) + plain.probabilities(seven[:, :, ::-1])) / 2
    np.testing.assert_allclose(flipped.probabilities(seven), expected, atol=1e-6)


def test_flip_leaves_a_face_without_doubt_as_it_is(tmp_path: Path, toy: Path, seven: UInt8Image) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    crops = np.concatenate([seven, noise])
    plain, flipped = (
        ExpressionModel(toy, threads=1),
        ExpressionModel(write_toy(tmp_path / "toy.onnx", flip=True), threads=1),
    )
    once, mirrored = plain.probabilities(crops), plain.probabilities(crops[:, :, ::-1])
    doubted = once.max(axis=1, keepdims=True) < DOUBT
    assert not doubted[:7].any()
    assert doubted.any()
    np.testing.assert_allclose(flipped.probabilities(crops), np.where(doubted, (once + mirrored) / 2, once), atol=1e-6)


def test_a_batch_gives_what_its_faces_give_alone(toy: Path) -> None:
    model = ExpressionModel(toy, threads=1)
    crops = np.random.default_rng(0).integers(0, 256, (130, 28, 28), np.uint8)
    together = model.probabilities(crops)
    alone = np.concatenate([model.probabilities(crops[index : index + 1]) for index in (0, 63, 64, 129)])
    np.testing.assert_allclose(together[[0, 63, 64, 129]], alone, atol=1e-6)
    assert model.probabilities(crops[:0]).shape == (0, 7)


@pytest.mark.parametrize("shape", ["N", "N x 1"])
def test_effective_heights_come_from_the_graph_in_either_shape(
    tmp_path: Path, toy: Path, seven: UInt8Image, shape: Literal["N", "N x 1"]
) -> None:
    answers = ExpressionModel(write_toy(tmp_path / "toy.onnx", effective=shape), threads=1).answers(seven)
    assert answers.effective_px is not None
    assert answers.effective_px.dtype == np.float32
    # To the toy a white leftmost strip is 255 / 5 = 51 px, a black one none; neither can be, of a crop of 28 px.
    assert answers.effective_px.tolist() == [28, 1, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(answers.probabilities, ExpressionModel(toy, threads=1).probabilities(seven))


def test_a_model_without_effective_heights_gives_none(toy: Path, seven: UInt8Image) -> None:
    answers = ExpressionModel(toy, threads=1).answers(seven)
    assert answers.effective_px is None
    assert [height for _, height in answers.each()] == [None] * 7


def test_the_effective_height_of_a_face_in_doubt_is_the_mean_of_both_views(tmp_path: Path, seven: UInt8Image) -> None:
    written = write_toy(tmp_path / "toy.onnx", effective="N x 1", flip=True, temperature=8.0)
    model = ExpressionModel(written, threads=1)
    assert [height for _, height in model.answers(seven).each()] == [25.5, 1, 1, 1, 1, 1, 25.5]


def test_a_batch_gives_the_effective_heights_that_its_faces_give_alone(tmp_path: Path) -> None:
    model = ExpressionModel(write_toy(tmp_path / "toy.onnx", effective="N x 1", flip=True), threads=1)
    crops = np.zeros((130, 28, 28), np.uint8)
    crops[:, :, [*range(4), *range(24, 28)]] = np.arange(20, 150)[:, None, None]
    together = model.answers(crops).effective_px
    assert together is not None
    np.testing.assert_allclose(together, np.minimum(np.arange(20, 150) / 5, 28), rtol=1e-5)
    for index in (0, 63, 64, 129):
        np.testing.assert_allclose(model.answers(crops[index : index + 1]).effective_px, together[[index]], rtol=1e-6)
    none = model.answers(crops[:0]).effective_px
    assert none is not None
    assert none.shape == (0,)


def test_a_graph_may_tell_how_legible_a_face_is(tmp_path: Path, seven: UInt8Image) -> None:
    model = ExpressionModel(write_toy(tmp_path / "toy.onnx", effective="N", legible=0.25, flip=True), threads=1)
    legible = model.answers(np.tile(seven, (10, 1, 1))).legible
    assert legible is not None
    np.testing.assert_array_equal(legible, np.full(70, 0.25, np.float32))
    assert ExpressionModel(write_toy(tmp_path / "silent.onnx", legible=None), threads=1).answers(seven).legible is None


def test_the_model_decides_on_size_and_colour(tmp_path: Path) -> None:
    model = ExpressionModel(write_toy(tmp_path / "toy.onnx", colour="rgb", size=56), threads=1)
    rgb = np.random.default_rng(0).integers(0, 256, (56, 56, 3), np.uint8)
    assert model.prepare(rgb) is rgb
    assert model.probabilities(rgb[None]).shape == (1, 7)


def test_softmax_of_huge_logits_is_finite() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0, -1e4]])), [[1, 0, 0]])


def test_a_missing_model_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model there"):
        ExpressionModel(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="no model there"):
        ExpressionModel(tmp_path)


def test_a_changed_model_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(toy_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "changed.onnx").write_bytes(data)
    monkeypatch.setattr(recognition, "open_session", lambda *_: pytest.fail("parsed before its seal was checked"))
    with pytest.raises(ModelError, match="SHA-256"):
        ExpressionModel(tmp_path / "changed.onnx")


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x89PNG\r\n"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.onnx: not an fsrfer model"):
        ExpressionModel(tmp_path / "other.onnx")


@pytest.mark.parametrize("labels", [(*TOY_INFO.labels[:6], "contempt"), (*TOY_INFO.labels[:6], "fear")])
def test_labels_that_are_not_the_seven_are_refused(tmp_path: Path, labels: tuple[str, ...]) -> None:
    with pytest.raises(ModelError):
        ExpressionModel(write_toy(tmp_path / "toy.onnx", labels=labels))


def test_bundled_models_load_and_have_the_seven_labels() -> None:
    for name in bundled_models():
        model = ExpressionModel(name, threads=1)
        side = (model.info.size, model.info.size) + ((3,) if model.info.colour == "rgb" else ())
        assert model.probabilities(np.zeros((2, *side), np.uint8)).shape == (2, 7)
