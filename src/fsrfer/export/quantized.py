"""A model in 8 bits: its convolutions multiply small whole numbers, of which a processor does more at once.

Only convolutions of more than one channel are changed. What standardises a face, estimates its size, weighs the maps and
calibrates the answer goes on in 32 bits.
"""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from fsrfer.data.dataset import FaceDataset, load_pixels
from fsrfer.errors import ModelError
from fsrfer.evaluation.certainty import ENOUGH_CERTAIN, PROMISE, Certainty
from fsrfer.evaluation.metrics import soft_confusion
from fsrfer.export.onnx import write_model
from fsrfer.export.release import FACTORS, Track, figures, rounded, shrunk
from fsrfer.model_file import ModelInfo
from fsrfer.recognition.model import ExpressionModel, as_network_input, read_model
from fsrfer.recognition.runtime import import_quantization
from fsrfer.types import FloatArray, UInt8Image

Method = Literal["MinMax", "Percentile", "Entropy"]
"""How the range of values is chosen that 8 bits stand for, by ONNX Runtime's names."""

METHODS: tuple[Method, ...] = get_args(Method)

RANGE: Method = "MinMax"
"""What bundled models were made with."""

PERCENTILE = 99.999

BATCH = 64


@dataclass(frozen=True, slots=True)
class LabelledFaces:
    """Faces to measure by.

    Attributes:
        pixels: uint8, N x size x size (x 3).
        labels: int64, N.
        heights: int64, N: of the faces in pixels, before they were brought to ``size``.
        split: what the faces are, such as ``ferplus valid``.
    """

    pixels: UInt8Image
    labels: NDArray[np.int64]
    heights: NDArray[np.int64]
    split: str


def at_all_sizes(dataset: FaceDataset, info: ModelInfo, count: int) -> UInt8Image:
    """Faces for `in_8_bits`: ``count`` of a data set, evenly spaced, each shrunk by another factor than the one before."""
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    few = replace(dataset, samples=tuple(dataset.samples[place] for place in places))
    pixels, heights = load_pixels(few, info.size, info.colour)
    turns = [slice(start, None, len(FACTORS)) for start in range(len(FACTORS))]
    parts = [
        shrunk(pixels[turn], heights[turn], f) for turn, f in zip(turns, FACTORS, strict=True) if len(pixels[turn])
    ]
    return np.concatenate(parts)


def quantize(
    name: str | Path,
    seen: UInt8Image,
    valid: LabelledFaces,
    target: Path,
    track: Track = iter,
) -> ModelInfo:
    """Write a model in 8 bits as a sealed file that says what it is worth.

    The calibration inside the graph and the rule of certain answers stay those of the model it is made from.

    Args:
        name: of a bundled model, or a model file.
        seen: uint8, N x size x size (x 3), as for `in_8_bits`.
        valid: `measure` goes by them.
        target: the new ``.onnx`` file.
        track: wraps the factors, to show progress.

    Returns:
        the description of the new file.

    Raises:
        ModelError: there is no such model, it is damaged or in 8 bits already, or then fewer than `PROMISE` of its certain
            answers are right.
    """
    before = ExpressionModel(name, threads=1)
    graph = in_8_bits(onnx.load_from_string(read_model(name)[0]), seen)
    made = {"from": before.sha256, "faces": len(seen), "range": RANGE}
    info = replace(before.info, name=f"{before.info.name}-int8", training={**before.info.training, "int8": made})
    with TemporaryDirectory() as folder:
        draft = Path(folder, "draft.onnx")
        write_model(graph, info, draft)
        complete = measure(ExpressionModel(draft, threads=1), valid, track)
    for factor, row in complete.accuracy[valid.split].items():
        enough = row["certain_share"] * len(valid.labels) >= ENOUGH_CERTAIN
        if enough and row["certain_accuracy"] < PROMISE:
            raise ModelError(
                f"{name}: in 8 bits only {row['certain_accuracy']:.1%} of certain answers are right at {factor}"
            )
    write_model(graph, complete, target)
    return complete


def measure(model: ExpressionModel, valid: LabelledFaces, track: Track = iter) -> ModelInfo:
    """A model's description with accuracy and confusion as they are found on some faces."""
    certainty = Certainty(model.info.certain_from, model.info.certain_px)
    accuracy, confusion = {}, {}
    for factor in track(FACTORS):
        answers = model.answers(shrunk(valid.pixels, valid.heights, factor))
        effective = valid.heights / factor if answers.effective_px is None else answers.effective_px
        certain = certainty.of(answers.probabilities, np.minimum(effective, valid.heights / factor))
        accuracy[f"x{factor:g}"] = figures(answers.probabilities, valid.labels, certain)
        confusion[f"{np.median(valid.heights) / factor:g}"] = rounded(
            soft_confusion(answers.probabilities, valid.labels)
        )
    return replace(model.info, accuracy={valid.split: accuracy}, confusion=confusion)


def in_8_bits(model: onnx.ModelProto, seen: UInt8Image, method: Method = RANGE) -> onnx.ModelProto:
    """The same network with its convolutions in 8 bits.

    Kernels keep 7 bits, with a step of its own for each output channel: with 8, sums overflow on processors without VNNI, whose
    answers would differ from those of others.

    Args:
        model: takes faces (float32, N x channels x size x size); it is not changed.
        seen: uint8, N x size x size (x 3): training faces at all sizes; what they make of each map tells its range.
        method: how the range is chosen.

    Raises:
        ModelError: its maps are in 8 bits already.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise ModelError("the model is in 8 bits already; take the one that it was made from")
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    fold_constants(whole)
    shapes = {item.name: item.dims for item in whole.graph.initializer}
    wide = [node.name for node in whole.graph.node if node.op_type == "Conv" and shapes[node.input[1]][1] > 1]
    tool = import_quantization()
    with TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(whole, source)
        tool.quantize_static(
            source,
            target,
            _Batches(seen),
            quant_format=tool.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            nodes_to_quantize=wide,
            op_types_to_quantize=["Conv"],
            calibrate_method=tool.CalibrationMethod[method],
            extra_options={"CalibPercentile": PERCENTILE},
        )
        return onnx.load(target)


def fold_constants(model: onnx.ModelProto) -> None:
    """Compute once what depends on constants alone, such as kernels that are kept in 8 bits."""
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    rest = []
    for node in graph.node:
        if all(name in constants for name in node.input):
            results = ReferenceEvaluator(node).run(None, {name: constants[name] for name in node.input})
            constants |= {name: np.asarray(result) for name, result in zip(node.output, results, strict=True)}
        else:
            rest.append(node)
    used = sorted({name for node in rest for name in node.input} & constants.keys())
    del graph.node[:], graph.initializer[:]
    graph.node.extend(rest)
    graph.initializer.extend(numpy_helper.from_array(constants[name], name) for name in used)


class _Batches:
    """Faces as ONNX Runtime's tool asks for them."""

    def __init__(self, faces: UInt8Image) -> None:
        parts = (faces[start : start + BATCH] for start in range(0, len(faces), BATCH))
        self._rest = ({"faces": as_network_input(part)} for part in parts)

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._rest, None)

    def __iter__(self) -> Iterator[Any]:
        return self._rest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The tool advises, through the root of all loggers, steps that our graphs have no need of."""
    with contextlib.redirect_stdout(None):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
