"""Measuring many methods on the same faces, resumably: what is stored is never measured again.

folder/data.json                                the faces every figure in the folder belongs to
folder/labels.npy                               their labels
folder/predictions/METHOD/seed-S/xF.npy         probabilities, N x 7, with xF.npy.json beside them
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fsrfer.comparison.store import Header, Store, Subject
from fsrfer.errors import DataError
from fsrfer.evaluation.by_factor import Predict, probabilities_at
from fsrfer.labels import EXPRESSIONS
from fsrfer.types import FloatArray, UInt8Image

LabelledTrack = Callable[[Iterable[int], str], Iterable[int]]
"""Wraps a sequence of indices to show progress; the text says of what."""


class LabelledFaces(Protocol):
    """What a data set must offer; `fsrfer.data.dataset.FaceDataset` does."""

    @property
    def name(self) -> str:
        """Of the data set."""

    @property
    def split(self) -> str:
        """Which part of it."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64, N: indices into `EXPRESSIONS`."""

    def load(self, index: int, /) -> UInt8Image:
        """One face at its own size."""


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of a benchmark, and a record of exactly which they are.

    Attributes:
        subject: the record that is kept with the figures.
        labels: int64, N.
        load: gives one face at its own size.
    """

    subject: Subject
    labels: NDArray[np.int64]
    load: Callable[[int], UInt8Image]

    @classmethod
    def of(cls, dataset: LabelledFaces, track: LabelledTrack = lambda indices, _: indices) -> "Faces":
        """Decode every face once, to take its fingerprint and its height.

        Raises:
            DataError: a picture cannot be decoded.
        """
        labels = dataset.labels
        digest, heights = hashlib.sha256(labels.astype("<i8").tobytes()), []
        for index in track(range(len(labels)), "fingerprint"):
            face = dataset.load(index)
            digest.update(repr(face.shape).encode() + face.tobytes())
            heights.append(face.shape[0])
        subject = Subject(dataset.name, dataset.split, len(labels), digest.hexdigest(), float(np.median(heights)))
        return cls(subject, labels, dataset.load)


@dataclass(frozen=True, slots=True)
class Method:
    """One rival of the benchmark.

    Attributes:
        name: a short word for folders and tables: letters, digits, ``.``, ``_``, ``-``.
        title: what readers see.
        predict: faces (uint8, any sizes) to probabilities, N x 7.
        gflop: cost of one face in 10^9 floating-point operations (two a multiply-add), or None where unknown.
        identity: changes when the method does, such as the SHA-256 of its weights; stored figures of another are replaced.
        timed: whether the time ``predict`` takes is the method's own (it is not where answers are read from a file).
    """

    name: str
    title: str
    predict: Predict
    gflop: float | None = None
    identity: str = ""
    timed: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise DataError(f"method {self.name!r}: a name has letters, digits, '.', '_' and '-' only")


def measure(
    methods: Sequence[Method],
    faces: Faces,
    factors: Sequence[float],
    seed: int,
    folder: Path,
    track: LabelledTrack = lambda indices, _: indices,
) -> None:
    """Store the probabilities of each method for the faces shrunk by each factor and restored.

    A pair of method and factor that is stored for the same faces and the same ``identity`` is skipped, so an interrupted
    run resumes where it stopped.

    Args:
        methods: trained with ``seed``.
        faces: the same for every figure of ``folder``.
        factors: down-sampling factors, from 1.
        seed: tells runs of one method apart.
        folder: of the benchmark; made if it is not there.
        track: shows progress.

    Raises:
        DataError: the folder holds figures of other faces, two methods have one name, or a method's answers are not
            probabilities.
    """
    names = [method.name for method in methods]
    if len(set(names)) != len(names):
        raise DataError(f"two methods have one name among {', '.join(names)}")
    store = Store.open(folder, faces.subject, faces.labels)
    for method in methods:
        for factor in factors:
            if store.header(method.name, seed, factor, identity=method.identity) is None:
                watch = _Stopwatch(method.predict)
                indices = lambda i, what=f"{method.name} x{factor:g}": track(i, what)  # noqa: E731
                probabilities = probabilities_at(watch, faces.load, len(faces.labels), factor, indices)
                _require_probabilities(method, probabilities, len(faces.labels))
                milliseconds = watch.milliseconds if method.timed else None
                store.save(_header(method, faces.subject, seed, factor, milliseconds), probabilities)


def _header(method: Method, subject: Subject, seed: int, factor: float, milliseconds: float | None) -> Header:
    return Header(
        method=method.name,
        title=method.title,
        identity=method.identity,
        gflop=method.gflop,
        seed=seed,
        factor=float(factor),
        fingerprint=subject.fingerprint,
        milliseconds=milliseconds,
    )


class _Stopwatch:
    """A `Predict` that remembers how long each batch took."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._batches: list[float] = []

    def __call__(self, faces: Sequence[UInt8Image]) -> FloatArray:
        start = time.perf_counter()
        answers = self._predict(faces)
        self._batches.append(1000 * (time.perf_counter() - start) / len(faces))
        return answers

    @property
    def milliseconds(self) -> float:
        """A face; the median of the batches, so that warming up and other work on the machine count little."""
        return float(np.median(self._batches))


def _require_probabilities(method: Method, probabilities: FloatArray, count: int) -> None:
    if probabilities.shape != (count, len(EXPRESSIONS)):
        raise DataError(f"method {method.name}: {probabilities.shape} probabilities for {count} faces")
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all()):
        raise DataError(f"method {method.name}: some probabilities are negative or not a number")
    if np.abs(probabilities.sum(1) - 1).max() > 1e-3:
        raise DataError(f"method {method.name}: the probabilities of a face do not sum to 1")
