"""Where a benchmark keeps its probabilities, each with a header that says what it belongs to."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrfer.errors import DataError
from fsrfer.files import atomic_path, write_text
from fsrfer.types import FloatArray


@dataclass(frozen=True, slots=True)
class Subject:
    """Which faces were measured.

    Attributes:
        data, split: names of the data set and its part.
        faces: how many.
        fingerprint: SHA-256 of their labels and decoded pixels, in order.
        height: their median height in pixels, before any shrinking.
    """

    data: str
    split: str
    faces: int
    fingerprint: str
    height: float

    def __str__(self) -> str:
        return f"{self.data} {self.split} ({self.faces} faces, {self.fingerprint[:12]})"


@dataclass(frozen=True, slots=True)
class Header:
    """What one file of probabilities is.

    Attributes:
        method, title, identity, gflop: see `fsrfer.comparison.measure.Method`.
        seed: of the run.
        factor: by which the faces were shrunk.
        fingerprint: of the faces.
        milliseconds: a face, or None where it was not timed.
        sha256: of the probabilities.
    """

    method: str
    title: str
    identity: str
    gflop: float | None
    seed: int
    factor: float
    fingerprint: str
    milliseconds: float | None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Runs:
    """One method as it was measured.

    Attributes:
        name, title, gflop: see `fsrfer.comparison.measure.Method`.
        milliseconds: median time a face over all files, or None.
        probabilities: by factor, then by seed: float32, N x 7.
    """

    name: str
    title: str
    gflop: float | None
    milliseconds: float | None
    probabilities: Mapping[float, Mapping[int, FloatArray]]


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of one benchmark; every figure in it belongs to the same faces."""

    folder: Path
    subject: Subject
    labels: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path, subject: Subject, labels: NDArray[np.int64]) -> "Store":
        """The store of these faces, made if there is none.

        Raises:
            DataError: it holds figures of other faces.
        """
        if (folder / "data.json").is_file():
            store = cls.load(folder)
            if store.subject != subject:
                raise DataError(f"{folder}: holds figures of {store.subject}, not of {subject}; take another folder")
            return store
        with atomic_path(folder / "labels.npy") as path:
            np.save(path, labels, allow_pickle=False)
        write_text(folder / "data.json", json.dumps(asdict(subject), indent=2) + "\n")
        return cls(folder, subject, labels)

    @classmethod
    def load(cls, folder: Path) -> "Store":
        """A store as it lies there.

        Raises:
            DataError: there is none, or it is damaged.
        """
        try:
            subject = Subject(**json.loads((folder / "data.json").read_text(encoding="utf-8")))
            labels = np.load(folder / "labels.npy", allow_pickle=False)
        except FileNotFoundError:
            raise DataError(f"{folder}: no benchmark was measured here") from None
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{folder}: the benchmark's record is damaged ({error}); measure again elsewhere"
            ) from error
        if labels.shape != (subject.faces,):
            raise DataError(f"{folder}: {len(labels)} labels for {subject.faces} faces; measure again elsewhere")
        return cls(folder, subject, labels)

    def header(self, method: str, seed: int, factor: float, identity: str) -> Header | None:
        """The header of a finished measurement, or None if there is none of these faces and this identity."""
        path = self._path(method, seed, factor)
        found = self._read(path)
        return found[0] if found and found[0].identity == identity else None

    def save(self, header: Header, probabilities: FloatArray) -> None:
        """Store one measurement; its header comes last, so half of a measurement is never taken for a whole."""
        path = self._path(header.method, header.seed, header.factor)
        kept = np.ascontiguousarray(probabilities, dtype=np.float32)
        with atomic_path(path) as partial:
            np.save(partial, kept, allow_pickle=False)
        sealed = replace(header, sha256=_digest(kept))
        write_text(path.with_suffix(path.suffix + ".json"), json.dumps(asdict(sealed), indent=2) + "\n")

    def runs(self) -> dict[str, Runs]:
        """Every finished measurement, by method in alphabetical order.

        Raises:
            DataError: a file belongs to other faces, or two identities of a method are mixed.
        """
        found: dict[str, list[tuple[Header, FloatArray]]] = {}
        for path in sorted((self.folder / "predictions").glob("*/seed-*/x*.npy")):
            if item := self._read(path):
                found.setdefault(item[0].method, []).append(item)
        return {name: self._runs(name, items) for name, items in found.items()}

    def _runs(self, name: str, items: list[tuple[Header, FloatArray]]) -> Runs:
        newest = items[-1][0]
        for seed in {header.seed for header, _ in items}:
            if len({header.identity for header, _ in items if header.seed == seed}) > 1:
                raise DataError(
                    f"{self.folder}: {name}, seed {seed}, was measured at some factors with other weights; measure it again"
                )
        times = [header.milliseconds for header, _ in items if header.milliseconds is not None]
        probabilities: dict[float, dict[int, FloatArray]] = {}
        for header, values in sorted(items, key=lambda item: (item[0].factor, item[0].seed)):
            probabilities.setdefault(header.factor, {})[header.seed] = values
        milliseconds = float(np.median(times)) if times else None
        return Runs(name, newest.title, newest.gflop, milliseconds, probabilities)

    def _path(self, method: str, seed: int, factor: float) -> Path:
        return self.folder / "predictions" / method / f"seed-{seed}" / f"x{factor:g}.npy"

    def _read(self, path: Path) -> tuple[Header, FloatArray] | None:
        try:
            header = Header(**json.loads(path.with_suffix(path.suffix + ".json").read_text(encoding="utf-8")))
            probabilities: FloatArray = np.load(path, allow_pickle=False)
        except (OSError, ValueError, TypeError, EOFError):
            return None
        if header.sha256 != _digest(probabilities):
            return None
        if header.fingerprint != self.subject.fingerprint:
            raise DataError(f"{path}: belongs to other faces than {self.subject}; it cannot be compared")
        return header, probabilities


def _digest(probabilities: FloatArray) -> str:
    return hashlib.sha256(repr(probabilities.shape).encode() + probabilities.tobytes()).hexdigest()
