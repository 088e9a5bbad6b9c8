"""Exporting a classifier to a sealed ONNX file."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fsrfer.files import atomic_path
from fsrfer.model_file import BLANK_SEAL, INFO_KEY, SEAL_KEY, ModelInfo, seal

OPSET = 18


def to_onnx(network: nn.Module, channels: int, size: int) -> onnx.ModelProto:
    """A network as an ONNX graph that takes any number of faces.

    Args:
        network: faces (float32, N x channels x size x size, 0..255) to logits (N x classes) and effective heights (N), or
            to logits alone.
        channels: 1 or 3.
        size: side in pixels.
    """
    example = torch.zeros(2, channels, size, size)
    outputs = network.eval()(example)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["faces"],
            output_names=["logits"] if isinstance(outputs, torch.Tensor) else ["logits", "effective_px"],
            dynamic_shapes=({0: torch.export.Dim("count", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _strip_traces(model)
    return model


def store_halves(model: onnx.ModelProto) -> None:
    """Keep the kernels of a graph's convolutions in half precision, which halves its file.

    The graph makes them float32 again before it computes, which ONNX Runtime does once, as it loads the graph.
    """
    graph = model.graph
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    whole = [item for item in graph.initializer if item.name in kernels and item.data_type == TensorProto.FLOAT]
    for item in whole:
        kernel = numpy_helper.to_array(item)
        if np.abs(kernel).max() > np.finfo(np.float16).max:
            continue
        restored = f"{item.name}/float32"
        for node in graph.node:
            node.input[:] = [restored if name == item.name else name for name in node.input]
        for described in graph.value_info:
            described.name = restored if described.name == item.name else described.name
        item.CopyFrom(numpy_helper.from_array(kernel.astype(np.float16), item.name))
        graph.node.insert(0, helper.make_node("Cast", [item.name], [restored], to=TensorProto.FLOAT))


def write_model(model: onnx.ModelProto, info: ModelInfo, target: Path) -> None:
    """Put the description into a graph, seal it, and write it atomically."""
    helper.set_model_props(model, {INFO_KEY: info.to_json(), SEAL_KEY: BLANK_SEAL})
    onnx.checker.check_model(model, full_check=True)
    with atomic_path(target) as path:
        path.write_bytes(seal(model.SerializeToString(deterministic=True)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter speaks of packages it does not find and of steps that went well; neither is news."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _strip_traces(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes (source lines, paths of the machine it ran on)."""
    model.producer_name, model.producer_version, model.doc_string = "fsrfer", "", ""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
