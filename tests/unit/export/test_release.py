from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from fsrfer.errors import ModelError
from fsrfer.export.onnx import round_kernels, store_bytes, to_onnx, write_model
from fsrfer.export.release import answers, check_parity, release
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.networks.calibrated import Calibrated
from fsrfer.networks.ensemble import Ensemble
from fsrfer.networks.norm import BatchNorm2d
from fsrfer.networks.residual import ResidualNet
from fsrfer.recognition.model import ExpressionModel
from fsrfer.types import Calibration
from support.made_faces import pattern

HEIGHTS = np.full(70, 16)
INFO = ModelInfo("tiny", "1", EXPRESSIONS, 16, "grey", 0.0, flip=True)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,), uplift_hidden=4, uplift_blocks=1).eval()
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
    found, views = model.answers(pixels), answers(network, pixels, flip=True)
    assert set(complete.temperatures) == {f"{16 / factor:g}" for factor in range(1, 9)}
    np.testing.assert_allclose(found.effective_px, (16 * 2.0**views.octaves).mean(0), rtol=1e-3)
    # Where all sizes look alike, or nothing helps, the halves may end at other temperatures: answers hardly change.
    right = float((found.probabilities.argmax(1) == labels).mean())
    assert complete.accuracy["made valid"]["x1"]["accuracy"] == pytest.approx(right, abs=0.05)


def test_a_model_that_is_sure_is_released_though_it_is_asked_for_mirror_images_only_in_doubt(network, faces, tmp_path):
    pixels, _ = faces
    own = answers(network, pixels, flip=True).logits.mean((0, 2)).argmax(1)
    release(network, INFO, pixels, own, HEIGHTS, "made valid", tmp_path / "m.onnx")
    first = ExpressionModel(tmp_path / "m.onnx").answers(pixels, mirror=False).probabilities
    assert (first.max(1) > 0.7).any()


def test_faces_that_were_smaller_than_the_input_can_be_released(network, faces, tmp_path):
    complete = release(network, INFO, *faces, np.full(70, 9), "made valid", tmp_path / "m.onnx")
    assert ExpressionModel(tmp_path / "m.onnx").info == complete


def test_the_exported_graph_divides_by_the_temperature_of_the_estimated_size(network, faces, tmp_path):
    maps = torch.from_numpy(faces[0])[:, None].float()
    calibration = Calibration((0.2, -0.5, 0.1), ((0.0, 0.0),), tuple(0.1 * label for label in range(7)))
    write_model(to_onnx(Calibrated(network, calibration), 1, 16), replace(INFO, flip=False), tmp_path / "m.onnx")
    with torch.no_grad():
        output = network.analyse(maps)
    octaves = output.log2_px.clamp(0, 4) - 4
    expected = (output.logits + 0.1 * torch.arange(7)) / torch.exp(0.2 - 0.5 * octaves + 0.1 * octaves**2)[:, None]
    found = ExpressionModel(tmp_path / "m.onnx").answers(faces[0])
    np.testing.assert_allclose(found.probabilities, expected.softmax(1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found.effective_px, 2.0 ** (octaves + 4).numpy(), rtol=1e-4)


def test_a_kernel_is_rounded_to_127ths_of_the_largest_weight_of_each_output_channel():
    layer = torch.nn.Conv2d(1, 2, (1, 3), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.27, -0.004, 0.016], [0.0, 0.0, 0.0]])[:, None, None])
    round_kernels(layer)
    torch.testing.assert_close(layer.weight[:, 0, 0], torch.tensor([[1.27, 0.0, 0.02], [0.0, 0.0, 0.0]]))


def test_rounded_kernels_answer_the_same_in_a_quarter_of_the_bytes(tmp_path):
    torch.manual_seed(0)
    network = ResidualNet(size=16, stem=16, widths=(64,), blocks=(2,))
    for norm in (module for module in network.modules() if isinstance(module, BatchNorm2d)):
        torch.nn.init.normal_(norm.weight)  # folded into the kernels, it must not spoil their rounding
    torch.nn.init.zeros_(network.stages[0][1].norm2.weight)
    round_kernels(network)
    model = to_onnx(network, 1, 16)
    write_model(model, INFO, tmp_path / "whole.onnx")
    store_bytes(model)
    write_model(model, INFO, tmp_path / "bytes.onnx")
    faces = np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8)
    whole, small = (ExpressionModel(tmp_path / name).probabilities(faces) for name in ("whole.onnx", "bytes.onnx"))
    np.testing.assert_allclose(small, whole, atol=1e-5)
    assert (tmp_path / "bytes.onnx").stat().st_size < 0.3 * (tmp_path / "whole.onnx").stat().st_size


def test_kernels_in_bytes_are_computed_with_as_the_float32_kernels_that_they_stand_for(tmp_path):
    torch.manual_seed(0)
    model = to_onnx(ResidualNet(size=16, stem=16, widths=(64,), blocks=(2,)), 1, 16)
    store_bytes(model)
    write_model(model, INFO, tmp_path / "bytes.onnx")
    stored = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    kernels = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert len(kernels) == sum(node.op_type == "Conv" for node in model.graph.node)
    for node in kernels:
        counts, step = (stored[name] for name in node.input)
        restored = counts.astype(np.float32) * step[:, None, None, None]
        model.graph.initializer.append(onnx.numpy_helper.from_array(restored, node.output[0]))
        model.graph.node.remove(node)
    write_model(model, INFO, tmp_path / "whole.onnx")
    faces = np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8)
    whole, small = (ExpressionModel(tmp_path / name).probabilities(faces) for name in ("whole.onnx", "bytes.onnx"))
    np.testing.assert_array_equal(small, whole)


def test_an_ensemble_is_released_as_one_model(network, faces, tmp_path):
    torch.manual_seed(1)
    other = ResidualNet(size=16, stem=4, stem_stride=2, widths=(8,), blocks=(1,)).eval()
    ensemble = Ensemble([network, other])
    release(ensemble, INFO, *faces, HEIGHTS, "made valid", tmp_path / "m.onnx")
    found, views = ExpressionModel(tmp_path / "m.onnx").answers(faces[0]), answers(ensemble, faces[0], flip=True)
    np.testing.assert_allclose(found.effective_px, (16 * 2.0**views.octaves).mean(0), rtol=1e-3)


def test_the_networks_of_an_exported_ensemble_count_by_the_estimated_size(network, faces, tmp_path):
    torch.manual_seed(1)
    ensemble = Ensemble([network, ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,))]).eval()
    calibration = Calibration((0.0,), ((0.0, 0.0), (0.5, -1.0)), (0.0,) * 7)
    write_model(to_onnx(Calibrated(ensemble, calibration), 1, 16), replace(INFO, flip=False), tmp_path / "m.onnx")
    with torch.no_grad():
        output = ensemble.analyse(torch.from_numpy(faces[0])[:, None].float())
    octaves = output.log2_px.clamp(0, 4)[:, None] - 4
    share = torch.sigmoid(0.5 - octaves)
    expected = (1 - share) * output.each[:, 0] + share * output.each[:, 1]
    found = ExpressionModel(tmp_path / "m.onnx").probabilities(faces[0])
    np.testing.assert_allclose(found, expected.softmax(1).numpy(), atol=1e-4)


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
    expected = ExpressionModel(tmp_path / "m.onnx").answers(faces[0], mirror=False).probabilities
    check_parity(tmp_path / "m.onnx", faces[0], expected)
    with pytest.raises(ModelError, match=r"differ from the network's"):
        check_parity(tmp_path / "m.onnx", faces[0], expected[::-1])


def test_a_model_that_is_refused_replaces_no_file(network, faces, tmp_path, monkeypatch):
    target = tmp_path / "m.onnx"
    target.write_bytes(b"an older model")
    monkeypatch.setattr("fsrfer.export.release.PARITY", -1.0)
    with pytest.raises(ModelError, match=r"differ from the network's"):
        release(network, INFO, *faces, HEIGHTS, "made valid", target)
    assert target.read_bytes() == b"an older model"


def test_the_file_names_no_place_it_was_made_in(network, tmp_path):
    write_model(to_onnx(network, 1, 16), INFO, tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    assert b"/src/" not in data
    assert b"site-packages" not in data
    onnx.checker.check_model(onnx.load_from_string(data))
