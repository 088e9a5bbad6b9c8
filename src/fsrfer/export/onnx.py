"""Exporting a classifier to a sealed ONNX file."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from fsrfer.files import atomic_path
from fsrfer.model_file import BLANK_SEAL, INFO_KEY, SEAL_KEY, STEP, ModelInfo, seal
from fsrfer.networks.calibrated import RawNetwork

OPSET = 18

STEPS = 127
"""Steps of a rounded kernel on each side of zero."""


EXPRESSION_OUTPUTS = ("logits", "effective_px", "legible")
"""What a recogniser of expressions gives, in this order; it may leave out the later ones."""


def to_onnx(
    network: nn.Module, channels: int, size: int, outputs: Sequence[str] = EXPRESSION_OUTPUTS
) -> onnx.ModelProto:
    """A network as an ONNX graph that takes any number of faces.

    Args:
        network: faces (float32, N x channels x size x size, 0..255) to one tensor or several, N rows each.
        channels: 1 or 3.
        size: side in pixels.
        outputs: names of the tensors; a network may give fewer.
    """
    example = torch.zeros(2, channels, size, size)
    given = network.eval()(example)
    count = 1 if isinstance(given, torch.Tensor) else len(given)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["faces"],
            output_names=list(outputs[:count]),
            dynamic_shapes=({0: torch.export.Dim("count", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _strip_traces(model)
    return model


@torch.no_grad()
def round_kernels(network: nn.Module | RawNetwork) -> None:
    """Round the kernels of a network's convolutions to what 8 bits can hold: 255 even steps in each output channel."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            step = module.weight.abs().amax((1, 2, 3), keepdim=True) / STEPS
            module.weight.copy_(torch.where(step > 0, (module.weight / step).round() * step, 0.0))


def store_bytes(model: onnx.ModelProto) -> None:
    """Keep the kernels of a graph's convolutions in 8 bits and a factor for each output channel: a quarter of its file.

    It changes nothing where they were rounded before, as a norm that is folded into a kernel scales whole output channels.
    The graph makes them float32 again before it computes, which `fsrfer.recognition.runtime` has done once, on loading.
    """
    graph = model.graph
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    for item in [item for item in graph.initializer if item.name in kernels]:
        kernel = numpy_helper.to_array(item)
        step = np.abs(kernel).max((1, 2, 3)) / np.float32(STEPS)
        counts = np.rint(kernel / np.where(step > 0, step, 1)[:, None, None, None]).astype(np.int8)
        factor, restored = f"{item.name}{STEP}", f"{item.name}/float32"
        for node in graph.node:
            node.input[:] = [restored if name == item.name else name for name in node.input]
        for described in graph.value_info:
            described.name = restored if described.name == item.name else described.name
        item.CopyFrom(numpy_helper.from_array(counts, item.name))
        graph.initializer.append(numpy_helper.from_array(step, factor))
        graph.node.insert(0, helper.make_node("DequantizeLinear", [item.name, factor], [restored], axis=0))


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
