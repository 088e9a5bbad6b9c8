"""Exporting a classifier to a sealed ONNX file."""

import contextlib
import io
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from fsrfer.files import atomic_path
from fsrfer.model_file import BLANK_SEAL, INFO_KEY, SEAL_KEY, ModelInfo, seal


def export_classifier(network: nn.Module, info: ModelInfo, target: Path) -> None:
    """Write a network as one sealed ONNX file, with any number of faces a call.

    Args:
        network: in evaluation mode; faces (float32, N x C x S x S, 0..255) to logits (N x classes).
        info: the description to put inside.
        target: the file to write.
    """
    channels = 1 if info.colour == "grey" else 3
    example = torch.zeros(2, channels, info.size, info.size)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            (example,),
            input_names=["faces"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("count", min=1)},),
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip_traces(model)
    onnx.helper.set_model_props(model, {INFO_KEY: info.to_json(), SEAL_KEY: BLANK_SEAL})
    onnx.checker.check_model(model, full_check=True)
    with atomic_path(target) as path:
        path.write_bytes(seal(model.SerializeToString(deterministic=True)))


def _strip_traces(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes (source lines, paths of the machine it ran on)."""
    model.producer_name, model.producer_version, model.doc_string = "fsrfer", "", ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
