from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from fsrfer.data.dataset import FaceDataset, InlinePixels, Sample
from fsrfer.errors import ModelError
from fsrfer.export.onnx import store_bytes, to_onnx, write_model
from fsrfer.export.quantized import METHODS, LabelledFaces, at_all_sizes, in_8_bits, quantize
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.networks.residual import ResidualNet
from fsrfer.recognition.model import ExpressionModel
from support.made_faces import pattern

INFO = ModelInfo("tiny", "1", EXPRESSIONS, 16, "grey", 0.0, certain_from=1.0, training={"seed": 1})


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 7
    return LabelledFaces(
        np.stack([pattern(int(label), 16, rng) for label in labels]), labels, np.full(64, 16), "made valid"
    )


@pytest.fixture(scope="module")
def graph():
    torch.manual_seed(0)
    graph = to_onnx(ResidualNet(size=16, stem=4, widths=(8,), blocks=(1,)).eval(), 1, 16)
    store_bytes(graph)
    return graph


@pytest.fixture
def source(graph, tmp_path):
    write_model(graph, INFO, tmp_path / "source.onnx")
    return tmp_path / "source.onnx"


def test_a_model_in_8_bits_is_not_quantised_again(graph, faces):
    small = in_8_bits(graph, faces.pixels)
    with pytest.raises(ModelError, match="in 8 bits already; take the one that it was made from"):
        in_8_bits(small, faces.pixels)


@pytest.mark.parametrize("method", METHODS)
def test_only_convolutions_of_several_channels_compute_in_8_bits(graph, faces, method):
    small = in_8_bits(graph, faces.pixels, method)
    made = {node.output[0]: node.op_type for node in small.graph.node}
    by_channels = {True: set(), False: set()}
    shapes = {item.name: item.dims for item in small.graph.initializer}
    for node in small.graph.node:
        if node.op_type == "Conv":
            wide = node.input[1] not in shapes
            by_channels[wide].add(made.get(node.input[0]))
    assert by_channels[True] == {"DequantizeLinear"}
    assert "DequantizeLinear" not in by_channels[False]
    assert not any(
        node.op_type == "Gemm" and made.get(node.input[0]) == "DequantizeLinear" for node in small.graph.node
    )


def test_answers_hardly_change_and_the_file_says_what_it_is(source, faces, tmp_path):
    info = quantize(source, faces.pixels, faces, tmp_path / "small.onnx")
    before, after = ExpressionModel(source), ExpressionModel(tmp_path / "small.onnx")
    assert after.info == info
    assert (info.name, info.training["int8"]["from"], info.training["seed"]) == ("tiny-int8", before.sha256, 1)
    assert list(info.accuracy["made valid"]) == [f"x{factor}" for factor in range(1, 9)]
    assert list(info.confusion) == [f"{16 / factor:g}" for factor in range(1, 9)]
    np.testing.assert_allclose(np.sum(info.confusion["16"]), 64, atol=0.1)
    assert b"QuantizeLinear" in (tmp_path / "small.onnx").read_bytes()
    np.testing.assert_allclose(after.probabilities(faces.pixels), before.probabilities(faces.pixels), atol=0.05)


def test_certain_answers_that_are_wrong_too_often_are_not_shipped(graph, faces, tmp_path):
    write_model(graph, replace(INFO, certain_from=0.0), tmp_path / "source.onnx")
    with pytest.raises(ModelError, match="certain answers are right at x1"):
        quantize(tmp_path / "source.onnx", faces.pixels, faces, tmp_path / "small.onnx")
    assert not (tmp_path / "small.onnx").exists()


def test_faces_to_choose_ranges_by_have_all_sizes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (24, 16, 16), np.uint8)
    samples = tuple(Sample.labelled(tmp_path, 0, InlinePixels(one.tobytes(), 16)) for one in noise)
    seen = at_all_sizes(FaceDataset("made", "train", samples), INFO, 16)
    assert seen.shape == (16, 16, 16)
    detail = np.abs(np.diff(seen.astype(float), axis=2)).mean((1, 2)).reshape(8, 2).mean(1)
    assert detail[0] > detail[3] > detail[7]


def test_the_model_that_is_put_into_8_bits_stays(graph, faces):
    kept = onnx.ModelProto()
    kept.CopyFrom(graph)
    in_8_bits(graph, faces.pixels)
    assert graph == kept
