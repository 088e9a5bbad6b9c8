"""A tiny sealed model, in the exact file format of the real one, for tests of everything but accuracy."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

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


GREYS_A_PIXEL = 5
"""Grey levels of the leftmost strip that the toy model takes for one pixel of effective height."""


def toy_bytes(
    info: ModelInfo = TOY_INFO,
    gain: float = 8.0,
    effective: Literal["N", "N x 1"] | None = None,
    legible: float | None = 1.0,
) -> bytes:
    """A sealed model whose seven logits are the brightness of seven vertical strips times ``gain``.

    The brightest strip wins: the first from the left is the model's first label.

    Args:
        info: what the model says of itself.
        gain: of the logits.
        effective: shape of the output ``effective_px``, a fifth (`GREYS_A_PIXEL`) of the leftmost strip's grey level;
            None for a model without it.
        legible: the output of that name, for every crop; None for a model without it.
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
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 7])]
    if effective:
        nodes += _effective_nodes(effective)
        shape = ["n", 1] if effective == "N x 1" else ["n"]
        outputs.append(helper.make_tensor_value_info("effective_px", TensorProto.FLOAT, shape))
    if legible is not None:
        nodes += _legible_nodes()
        outputs.append(helper.make_tensor_value_info("legible", TensorProto.FLOAT, ["n", 1]))
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", channels, info.size, info.size])],
        outputs,
        [
            numpy_helper.from_array(np.array([0], np.int64), "zero"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            numpy_helper.from_array(np.array(gain / 255, np.float32), "gain"),
            numpy_helper.from_array(np.array(1 / GREYS_A_PIXEL, np.float32), "height"),
            numpy_helper.from_array(np.array([[0.0]] * 7, np.float32), "nothing"),
            numpy_helper.from_array(np.array(legible or 0.0, np.float32), "told"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    helper.set_model_props(model, {INFO_KEY: info.to_json(), SEAL_KEY: BLANK_SEAL})
    return seal(model.SerializeToString())


def _effective_nodes(effective: Literal["N", "N x 1"]) -> list[onnx.NodeProto]:
    slices = helper.make_node("Slice", ["flat", "zero", "axis", "axis"], ["leftmost"])
    scaled = helper.make_node("Mul", ["leftmost", "height"], ["effective_px" if effective == "N x 1" else "column"])
    if effective == "N x 1":
        return [slices, scaled]
    return [slices, scaled, helper.make_node("Squeeze", ["column", "axis"], ["effective_px"])]


def _legible_nodes() -> list[onnx.NodeProto]:
    """The same for every crop."""
    return [
        helper.make_node("MatMul", ["flat", "nothing"], ["nought"]),
        helper.make_node("Add", ["nought", "told"], ["legible"]),
    ]


def write_toy(
    path: Path,
    gain: float = 8.0,
    effective: Literal["N", "N x 1"] | None = None,
    legible: float | None = 1.0,
    **changes: object,
) -> Path:
    """Write a toy model whose description differs by ``changes``."""
    path.write_bytes(toy_bytes(replace(TOY_INFO, **changes), gain, effective, legible))
    return path


def stripes(winner: int, size: int = 28) -> np.ndarray:
    """A grey crop on which the toy model's label number ``winner`` wins."""
    crop = np.zeros((size, size), np.uint8)
    width = size // 7
    crop[:, winner * width : (winner + 1) * width] = 255
    return crop
