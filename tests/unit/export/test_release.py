import numpy as np
import onnx
import pytest
import torch

from fsrfer.errors import ModelError
from fsrfer.export.onnx import to_onnx, write_model
from fsrfer.export.release import check_parity, release
from fsrfer.inference.recognition import ExpressionModel
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.networks.compact import CompactNet
from support.made_faces import pattern

HEIGHTS = np.full(70, 16)
INFO = ModelInfo("tiny", "1", EXPRESSIONS, 16, "grey", 0.0, flip=True)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = CompactNet(stem=4, widths=(8,), blocks=(1,)).eval()
    with torch.no_grad():
        for parameter in net.parameters():  # a network at its start answers nearly alike for all faces
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return net


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    labels = np.arange(70) % 7
    return np.stack([pattern(int(label), 16, rng) for label in labels]), labels


def test_a_released_model_says_what_was_measured_and_gives_the_networks_probabilities(network, faces, tmp_path):
    pixels, labels = faces
    complete = release(network, INFO, pixels, labels, HEIGHTS, "made valid", tmp_path / "m.onnx")
    model = ExpressionModel(tmp_path / "m.onnx")
    assert model.info == complete
    assert set(complete.accuracy["made valid"]) == {f"x{factor}" for factor in range(1, 9)}
    maps = torch.from_numpy(pixels)[:, None].float()
    with torch.no_grad():
        logits = torch.stack([network(maps), network(maps.flip(-1))]) / complete.temperature
    expected = logits.softmax(-1).mean(0).numpy()
    np.testing.assert_allclose(model.probabilities(pixels), expected, atol=1e-4)
    right = float((expected.argmax(1) == labels).mean())
    assert complete.accuracy["made valid"]["x1"]["accuracy"] == pytest.approx(right, abs=1e-4)


def test_confusions_travel_with_the_model_one_a_height(network, faces, tmp_path):
    pixels, labels = faces
    complete = release(network, INFO, pixels, labels, HEIGHTS, "made valid", tmp_path / "m.onnx")
    assert sorted(map(float, complete.confusion)) == pytest.approx(sorted(16 / f for f in range(1, 9)), abs=1e-3)
    for matrix in complete.confusion.values():
        np.testing.assert_allclose(np.sum(matrix, axis=1), 10, atol=0.01)  # ten faces of each class


def test_a_face_is_classified_alike_alone_and_in_a_batch(network, faces, tmp_path):
    release(network, INFO, *faces, HEIGHTS, "made valid", tmp_path / "m.onnx")
    model = ExpressionModel(tmp_path / "m.onnx")
    together = model.probabilities(faces[0])
    alone = np.concatenate([model.probabilities(face[None]) for face in faces[0]])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_model_that_computes_something_else_is_refused(network, faces, tmp_path):
    graph = to_onnx(network, 1, 16)
    write_model(graph, INFO, tmp_path / "m.onnx")
    expected = ExpressionModel(tmp_path / "m.onnx").probabilities(faces[0])
    check_parity(tmp_path / "m.onnx", faces[0], expected)
    with pytest.raises(ModelError, match=r"differ from the network's"):
        check_parity(tmp_path / "m.onnx", faces[0], expected[::-1])


def test_the_file_names_no_place_it_was_made_in(network, tmp_path):
    write_model(to_onnx(network, 1, 16), INFO, tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    assert b"/src/" not in data
    assert b"site-packages" not in data
    onnx.checker.check_model(onnx.load_from_string(data))
