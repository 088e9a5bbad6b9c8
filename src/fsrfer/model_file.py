"""What a model file says of itself, and the seal that tells whether it is whole.

A model is one ONNX file. Its metadata hold a JSON description (`ModelInfo`) and a seal: the SHA-256 of the file with the
seal's own 64 digits set to zero. So a file proves its integrity alone, wherever it was copied, before anything parses it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from fsrfer.errors import ModelError

INFO_KEY = "fsrfer"
SEAL_KEY = "fsrfer_seal"

STEP = "/step"
"""What follows the name of a kernel that is kept in 8 bits, in the name of its factors, one an output channel."""

_SEAL_PREFIX = b"fsrfer-sha256:"
_SEAL = re.compile(rb"fsrfer-sha256:([0-9a-f]{64})")
BLANK_SEAL = (_SEAL_PREFIX + b"0" * 64).decode()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The description inside a model file.

    The network takes ``faces`` (float32, N x channels x size x size, values 0..255, not normalised) and gives ``logits``
    (float32, N x classes); normalisation is part of the graph. It may also give ``effective_px`` (float32, N x 1 or N): the
    height in pixels that each face's detail amounts to, estimated from the pixels, at most ``size``.

    Attributes:
        name, version: of the model.
        labels: the classes, in the order of the logits.
        size: side of the input in pixels.
        colour: ``"grey"`` (one channel, ITU-R 601 luma) or ``"rgb"``.
        margin: added around a detector's box on each side, relative to its longer side.
        temperature: the logits are divided by it before the softmax; 1 where the graph has done so.
        temperatures: what the graph divides the logits by, at some effective heights in pixels; for reading only.
        certain_from: the smallest probability called certain.
        certain_px: faces whose detail amounts to less, in pixels of height, are never called certain.
        flip: whether the probabilities of a face and its mirror image are averaged.
        gflop: cost of one face in 10^9 floating-point operations (two a multiply-add), without the mirror image.
        parameters: number of weights.
        training: how it was trained: data sets, their hashes, recipe, seed, steps.
        accuracy: measured figures: data set and split, then a figure a factor.
        confusion: soft confusion by face height in pixels (the effective height where the graph estimates it; see
            `fsrfer.group.quantification`): row t sums the probabilities of calibration faces of true class t, rows and columns
            in the order of `EXPRESSIONS`; empty if it was not measured.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    size: int
    colour: Literal["grey", "rgb"]
    margin: float
    temperature: float = 1.0
    temperatures: Mapping[str, float] = field(default_factory=dict)
    certain_from: float = 0.5
    certain_px: float = 0.0
    flip: bool = False
    gflop: float = 0.0
    parameters: int = 0
    training: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    confusion: Mapping[str, list[list[float]]] = field(default_factory=dict)

    def to_json(self) -> str:
        """The description as JSON text."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: str) -> "ModelInfo":
        """Read a description back.

        Raises:
            ModelError: it is not one this version understands.
        """
        try:
            values = json.loads(text)
            known = {item.name for item in fields(cls)}
            if unknown := sorted(set(values) - known):
                raise ModelError(f"{where}: made by a newer fsrfer (unknown: {', '.join(unknown)}); update fsrfer")
            return cls(**{**values, "labels": tuple(values["labels"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{where}: its description cannot be read ({error}); export the model again") from error


def seal(data: bytes) -> bytes:
    """Fill in the seal of a model file that was written with `BLANK_SEAL`.

    Raises:
        ValueError: the file has no blank seal, or more than one.
    """
    blank = BLANK_SEAL.encode()
    if data.count(blank) != 1:
        raise ValueError("a model file needs exactly one blank seal")
    return data.replace(blank, _SEAL_PREFIX + hashlib.sha256(data).hexdigest().encode())


def verify_seal(data: bytes, where: str) -> str:
    """Check a model file's seal and return its SHA-256 digits.

    Raises:
        ModelError: not a model of ours, or changed since it was sealed.
    """
    found = _SEAL.findall(data)
    if len(found) != 1:
        raise ModelError(f"{where}: not an fsrfer model; use one that `fsrfer train` or `fsrfer export` wrote")
    digits = found[0]
    if hashlib.sha256(data.replace(digits, b"0" * 64)).hexdigest().encode() != digits:
        raise ModelError(
            f"{where}: the file is damaged (its SHA-256 is not the one it was sealed with); fetch it again"
        )
    return str(digits, "ascii")
