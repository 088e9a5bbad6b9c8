"""From face crops to probabilities, by a sealed model file on ONNX Runtime."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer import images
from fsrfer.errors import DataError, ModelError
from fsrfer.labels import EXPRESSIONS, index_of
from fsrfer.model_file import INFO_KEY, ModelInfo, verify_seal
from fsrfer.model_folder import read_folder
from fsrfer.recognition.devices import CPU, DEVICES, Device
from fsrfer.recognition.runtime import choose_device, open_session
from fsrfer.types import FloatArray, UInt8Image

EFFECTIVE = "effective_px"
"""Output of the graphs that estimate how high a face is by its detail."""

LEGIBLE = "legible"
"""Output of the graphs that tell how likely an expression can be told from a face at all."""

DOUBT = 0.7
"""Probability of the likeliest expression below which a face's mirror image is asked too, where a model averages both."""

LEAST_EFFECTIVE = 1.0
"""Smallest effective height in pixels: estimates are not bounded by themselves, and logarithms are taken of them."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says of N crops.

    Attributes:
        probabilities: float32, N x 7 in the order of `EXPRESSIONS`; each row sums to 1.
        effective_px: float32, N: height in pixels that each face's detail amounts to, as estimated from the crop alone and
            so blind to the height of its box, from 1 to the side of the crop; None where the model does not estimate it.
        legible: float32, N: how likely an expression can be told, 0..1; None where the model does not say, as today's bundled
            ones.
    """

    probabilities: FloatArray
    effective_px: FloatArray | None
    legible: FloatArray | None = None

    def averaged(self, others: "Answers", places: NDArray[np.intp]) -> "Answers":
        """With the mean of both at some places, and as they are elsewhere.

        Args:
            others: of as many crops as there are places.
            places: rows, each once.
        """
        return Answers(
            _averaged(self.probabilities, others.probabilities, places),
            self.effective_px
            if others.effective_px is None
            else _averaged(self.effective_px, others.effective_px, places),
            self.legible if others.legible is None else _averaged(self.legible, others.legible, places),
        )

    def each(self) -> Iterator[tuple[FloatArray, float | None]]:
        """Crop by crop: its probabilities (float32, 7) and its effective height."""
        heights = [None] * len(self.probabilities) if self.effective_px is None else self.effective_px.tolist()
        return zip(self.probabilities, heights, strict=True)


def _averaged(rows: FloatArray | None, others: FloatArray, places: NDArray[np.intp]) -> FloatArray:
    mixed = np.array(rows, np.float32)
    mixed[places] = (mixed[places] + others) / 2
    return mixed


def bundled_models() -> list[str]:
    """Names of the models that came with the package."""
    folder = resources.files("fsrfer") / "weights"
    if not folder.is_dir():
        return []
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".onnx"))


def read_model(name: str | Path) -> tuple[bytes, str]:
    """The content of a model, by its bundled name or its path, and what to call it in messages.

    Args:
        name: a bundled model's name, or the path of a model file or of a folder that holds one.

    Raises:
        ModelError: there is no such model, its file cannot be read, or it is not the one its folder lists.
    """
    if str(name) in bundled_models():
        return (resources.files("fsrfer") / "weights" / f"{name}.onnx").read_bytes(), f"the bundled model {name!r}"
    try:
        if Path(name).is_dir():
            return read_folder(Path(name)), str(name)
        return Path(name).read_bytes(), str(name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        bundled = ", ".join(bundled_models()) or "none"
        raise ModelError(
            f"{name}: no model there ({reason}); name an .onnx file, a folder with one, or a bundled model ({bundled})"
        ) from error


class ExpressionModel:
    """A recogniser for face crops.

    Attributes:
        info: what the file says of itself.
        sha256: its seal, already checked.
        device: that it runs on, one of `DEVICES`.
    """

    def __init__(self, name: str | Path = "default", threads: int | None = None, device: str = CPU):
        """Load a model, once its seal is found whole.

        Args:
            name: see `read_model`.
            threads: see `open_session`.
            device: see `choose_device`.

        Raises:
            DeviceError: the device cannot be used.
            ModelError: missing, damaged, or not one of ours.
        """
        self._origin, self._threads = name if str(name) in bundled_models() else Path(name).absolute(), threads
        data, where = read_model(name)
        self.sha256 = verify_seal(data, where)
        self.device = choose_device(device)
        self._session = open_session(data, where, threads, self.device)
        self.info = read_info(self._session, where)
        self._columns = _columns(self.info.labels, where)
        self._outputs = _outputs(self._session, where)

    def __reduce__(self) -> tuple[type["ExpressionModel"], tuple[str | Path, int | None, str]]:
        """Where it arrives, a copy opens its file again."""
        return type(self), (self._origin, self._threads, self.device)

    def prepare(self, image: UInt8Image) -> UInt8Image:
        """A whole picture (RGB) in the colours the network takes: grey once, or as it is."""
        return images.to_grey(image) if self.info.colour == "grey" else image

    def probabilities(self, crops: UInt8Image) -> FloatArray:
        """Calibrated probabilities of each crop.

        Args:
            crops: uint8, N x size x size (grey) or N x size x size x 3 (RGB), as `ModelInfo` asks.

        Returns:
            float32, N x 7 in the order of `EXPRESSIONS`; each row sums to 1.
        """
        return self.answers(crops).probabilities

    def answers(self, crops: UInt8Image, mirror: bool = True) -> Answers:
        """Calibrated probabilities of each crop, and what else the model tells.

        Args:
            crops: as for `probabilities`.
            mirror: whether to average with their mirror images where the model asks for it. Only faces in doubt are asked
                twice (`DOUBT`): of the others the mirror image hardly ever changes the answer.
        """
        answers = self._view(crops)
        doubted = np.flatnonzero(answers.probabilities.max(axis=1, initial=0) < DOUBT)
        if mirror and self.info.flip and len(doubted):
            answers = answers.averaged(self._view(crops[doubted][:, :, ::-1]), doubted)
        if answers.effective_px is None:
            return answers
        return replace(answers, effective_px=answers.effective_px.clip(LEAST_EFFECTIVE, self.info.size))

    def _view(self, crops: UInt8Image) -> Answers:
        """Answers to the crops as they are."""
        parts = [self._answers_of_batch(batch, count) for batch, count in batches(crops, DEVICES[self.device])]
        if len(parts) == 1:
            return parts[0]
        rows = np.concatenate([np.zeros((0, len(EXPRESSIONS)), np.float32), *(part.probabilities for part in parts)])
        heights = [part.effective_px for part in parts if part.effective_px is not None]
        legible = [part.legible for part in parts if part.legible is not None]
        none = np.zeros(0, np.float32)
        return Answers(
            rows,
            np.concatenate([none, *heights]) if EFFECTIVE in self._outputs else None,
            np.concatenate([none, *legible]) if LEGIBLE in self._outputs else None,
        )

    def _answers_of_batch(self, crops: UInt8Image, count: int) -> Answers:
        """Answers of the first ``count`` crops; those that follow fill up the batch."""
        logits, *rest = self._session.run(self._outputs, {"faces": as_network_input(crops)})
        probabilities = softmax(logits[:count] / self.info.temperature)[:, self._columns]
        told = {name: output.reshape(-1)[:count] for name, output in zip(self._outputs[1:], rest, strict=True)}
        return Answers(probabilities, told.get(EFFECTIVE), told.get(LEGIBLE))


def batches(crops: UInt8Image, device: Device) -> Iterator[tuple[UInt8Image, int]]:
    """Crops in batches of the device's size; black ones fill up a batch where it wants few sizes.

    Yields:
        A batch, and how many of the crops are in it.
    """
    for start in range(0, len(crops), device.batch):
        batch = crops[start : start + device.batch]
        missing = device.padded(len(batch)) - len(batch)
        yield (np.concatenate([batch, np.zeros_like(batch[:1]).repeat(missing, 0)]) if missing else batch), len(batch)


def as_network_input(crops: UInt8Image) -> FloatArray:
    """Crops N x S x S (x 3) as float32 N x channels x S x S, still 0..255."""
    planes = crops[:, None] if crops.ndim == 3 else crops.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(planes, dtype=np.float32)


def softmax(logits: NDArray[np.floating]) -> FloatArray:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def read_info(session: Any, where: str) -> ModelInfo:
    """The description in an opened model file.

    Raises:
        ModelError: it has none, or one that this version does not understand.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    if INFO_KEY not in metadata:
        raise ModelError(f"{where}: sealed, but without a description; export the model again")
    return ModelInfo.from_json(metadata[INFO_KEY], where)


def _columns(labels: Iterable[str], where: str) -> list[int]:
    """Where each of `EXPRESSIONS` stands among the model's own labels."""
    try:
        positions = [index_of(label) for label in labels]
    except DataError as error:
        raise ModelError(f"{where}: {error}") from error
    if sorted(positions) != list(range(len(EXPRESSIONS))):
        raise ModelError(f"{where}: its labels are not the seven expressions, each once")
    return [positions.index(index) for index in range(len(EXPRESSIONS))]


def _outputs(session: Any, where: str) -> list[str]:
    """The outputs to ask for: ``logits``, then `EFFECTIVE` and `LEGIBLE` if the graph has them."""
    inputs = [item.name for item in session.get_inputs()]
    given = [item.name for item in session.get_outputs()]
    if inputs != ["faces"] or "logits" not in given:
        raise ModelError(f"{where}: it must take 'faces' and give 'logits'; export the model again")
    return ["logits", *(name for name in (EFFECTIVE, LEGIBLE) if name in given)]
