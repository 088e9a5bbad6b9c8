"""What a model answers to the faces of a data set at each factor, kept from one call of a benchmark to the next."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrfer.data import readers
from fsrfer.data.dataset import FaceDataset
from fsrfer.errors import InputError
from fsrfer.evaluation.certainty import Certainty, selective_accuracy
from fsrfer.evaluation.metrics import score
from fsrfer.files import atomic_path
from fsrfer.images import resize, shrink_and_restore
from fsrfer.model_file import ModelInfo
from fsrfer.recognition.faces import CropModel
from fsrfer.recognition.model import Answers, ExpressionModel
from fsrfer.types import UInt8Image


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one part of a data set.

    Attributes:
        dataset: whose faces they are.
        cache: a folder that keeps answers; None keeps none.
        digest: of all faces, by which answers are kept; empty where none are.
    """

    dataset: FaceDataset
    cache: Path | None = None
    digest: str = ""

    @classmethod
    def read(cls, word: str, split: str, cache: Path | None) -> "Faces":
        """By ``NAME=PATH``, as commands take it."""
        name, path = readers.parse_source(word)
        dataset = readers.read(name, path, split)
        return cls(dataset, cache, digest_of(dataset) if cache else "")

    @property
    def name(self) -> str:
        """Such as ``ferplus valid``."""
        return f"{self.dataset.name} {self.dataset.split}"

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64, N."""
        return self.dataset.labels

    def answers(self, model: CropModel, factor: float) -> Answers:
        """Of all faces, shrunk by a factor, enlarged again, and brought to the model's size."""
        return self._kept(model, factor, "", model.answers)

    def views(self, model: ExpressionModel, factor: float) -> tuple[Answers, Answers]:
        """Of the same faces as they are, and of their mirror images alone."""
        return (
            self._kept(model, factor, "-one-view", partial(model.answers, mirror=False)),
            self._kept(model, factor, "-mirrored", lambda crops: model.answers(crops[:, :, ::-1], mirror=False)),
        )

    def _kept(self, model: CropModel, factor: float, what: str, answer: Callable[[UInt8Image], Answers]) -> Answers:
        about = f"{model.sha256[:16]}-{self.digest[:16]}-x{factor:g}{what}"
        kept = self.cache and self.cache / f"{about}.npz"
        if kept and kept.is_file():
            with np.load(kept) as opened:
                rows = dict(opened)
            return Answers(rows["probabilities"], rows.get("effective_px"))
        answers = answer(np.stack(list(self._crops(model, factor))))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            rows = {"probabilities": answers.probabilities}
            if answers.effective_px is not None:
                rows["effective_px"] = answers.effective_px
            with atomic_path(kept) as partial:
                np.savez(partial, allow_pickle=False, **rows)
        return answers

    def _crops(self, model: CropModel, factor: float) -> Iterator[UInt8Image]:
        side = (model.info.size, model.info.size)
        for index in range(len(self.dataset)):
            yield resize(shrink_and_restore(model.prepare(self.dataset.load(index)), factor), side)


def digest_of(dataset: FaceDataset) -> str:
    """SHA-256 of the faces as they are decoded, in their order."""
    whole = hashlib.sha256()
    for index in range(len(dataset)):
        whole.update(dataset.digest(index))
    return whole.hexdigest()


def require_names(parts: Sequence[Faces]) -> None:
    """Check that results can be told apart by what parts are called.

    Raises:
        InputError: two have one name.
    """
    if twice := [name for name, count in Counter(part.name for part in parts).items() if count > 1]:
        raise InputError(f"--data: {twice[0]} is named twice; measure the two one after the other")


def part_of(text: str) -> tuple[str, str]:
    """``NAME=DIR:PART`` as data set and part.

    Raises:
        InputError: no part is named.
    """
    word, _, part = text.rpartition(":")
    if not word:
        raise InputError(f"{text}: name the part too, such as ferplus=DIR:valid")
    return word, part


def figures(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], certain: NDArray[np.bool_]
) -> dict[str, float]:
    """Accuracy, macro-F1, calibration error, share of certain answers and share of these that are right, all in percent.

    The last is left out where no answer is certain.
    """
    scores = score(labels, probabilities)
    right, share = selective_accuracy(probabilities, labels, certain)
    values = {
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "calibration_error": scores.calibration_error,
        "certain": share,
        **({} if right is None else {"right_when_certain": right}),
    }
    return {name: round(100 * value, 2) for name, value in values.items()}


def certain_of(answers: Answers, probabilities: NDArray[np.floating], info: ModelInfo) -> NDArray[np.bool_]:
    """Which answers a model's rule calls certain; faces whose size was not estimated are large enough."""
    px = np.inf if answers.effective_px is None else answers.effective_px
    return Certainty(info.certain_from, info.certain_px).of(probabilities, px)
