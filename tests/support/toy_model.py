"""A tiny sealed model, in the exact file format of the real one, for tests of everything but accuracy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import BLANK_SEAL, INFO_KEY, SEAL_KEY, ModelInfo, seal

TOY_INFO = ModelInfo(
    name="toy",
    version="1",
    labels=EXPRESSIONS,
    size=28,
    colour="grey",
    margin=0.1,
    certain_from=0.5,
    training={"data": "none"},
    accuracy={"nothing": {"x1": 0.14}},
)


def toy_bytes(info: ModelInfo = TOY_INFO, gain: float = 8.0) -> bytes:
    """A sealed model whose seven logits are the brightness of seven vertical strips times ``gain``.

    The brightest strip wins: the first from the left is the model's first label.
    """
    channels = 1 if info.colour == "grey" else 3
    strip = info.size // 7
    nodes = [
        helper.make_node("ReduceMean", ["faces", "axis"], ["luma"], keepdims=1),
        helper.make_node(
            "AveragePool", ["luma"], ["pooled"], kernel_shape=[info.size, strip], strides=[info.size, strip]
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Mul", ["flat", "gain"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", channels, info.size, info.size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 7])],
        [
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            numpy_helper.from_array(np.array(gain / 255, np.float32), "gain"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    helper.set_model_props(model, {INFO_KEY: info.to_json(), SEAL_KEY: BLANK_SEAL})
    return seal(model.SerializeToString())


def write_toy(path: Path, gain: float = 8.0, **changes: object) -> Path:
    """Write a toy model whose description differs by ``changes``."""
    path.write_bytes(toy_bytes(replace(TOY_INFO, **changes), gain))
    return path


def stripes(winner: int, size: int = 28) -> np.ndarray:
    """A grey crop on which the toy model's label number ``winner`` wins."""
    crop = np.zeros((size, size), np.uint8)
    width = size // 7
    crop[:, winner * width : (winner + 1) * width] = 255
    return crop
