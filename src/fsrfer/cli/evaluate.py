"""``fsrfer evaluate MODEL --data NAME=PATH --split S --factors 1-8``."""

import argparse
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrfer.cli.options import path, positive
from fsrfer.errors import FsrferError
from fsrfer.model_folder import is_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fsrfer.types import FloatArray, UInt8Image


MOST = 64
"""The largest factor: nothing is left of a face."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="a bundled model, an .onnx file, or the folder of a run")
    parser.add_argument("--data", required=True, metavar="NAME=PATH", help="a data set, such as ferplus=DIR")
    parser.add_argument("--split", default="valid", metavar="S", help="which part of it (default: valid)")
    parser.add_argument("--factors", default="1-8", metavar="LIST", help="such as 1-8 or 1,2,4,6.5 (default: 1-8)")
    parser.add_argument(
        "--camera", action="store_true", help="shrink faces as a poor camera does: blur, noise and JPEG besides"
    )
    parser.add_argument("--json", type=path, metavar="FILE", help="write all figures there")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads of ONNX Runtime")


def run(options: argparse.Namespace) -> int:
    """Measure the model; returns the exit code."""
    import json

    import numpy as np
    from rich.console import Console
    from rich.progress import track

    from fsrfer.data import readers
    from fsrfer.data.dataset import check_pictures
    from fsrfer.evaluation.by_factor import by_camera, plainly, probabilities_at
    from fsrfer.evaluation.certainty import selective_accuracy
    from fsrfer.evaluation.metrics import calibration_error_by_chance, score
    from fsrfer.files import check_outputs, write_text

    factors = parse_factors(options.factors)
    name, place = readers.parse_source(options.data)
    check_outputs([options.json])
    dataset = readers.read(name, place, options.split)
    listing = [options.json] if options.json and place.resolve() in options.json.resolve().parents else []
    check_outputs([options.json], [place, options.model, *listing])
    check_pictures(dataset)
    measured = _open(options.model, options.threads)
    degrade = by_camera if options.camera else plainly
    console = Console(stderr=True)
    report: dict[str, Any] = {}
    for factor in factors:
        indices = partial(
            track, description=f"x{factor:g}", console=console, transient=True, disable=not console.is_terminal
        )
        measured.certain.clear()
        probabilities = probabilities_at(measured, dataset.load, len(dataset), factor, indices, degrade=degrade)
        certain_accuracy, certain_share = selective_accuracy(
            probabilities, dataset.labels, np.array(measured.certain, bool)
        )
        report[f"x{factor:g}"] = {
            **score(dataset.labels, probabilities).to_dict(),
            "calibration_error_by_chance": calibration_error_by_chance(probabilities),
            "certain_accuracy": certain_accuracy,
            "certain_share": certain_share,
        }
    if options.json:
        summary = {
            "model": options.model,
            "sha256": measured.sha256,
            "data": name,
            "split": options.split,
            "degradation": degrade.__name__,
            "class_counts": dataset.class_counts(),
            "factors": report,
        }
        write_text(options.json, json.dumps(summary, indent=2) + "\n")
    Console().print(_table(report, f"{options.model} on {name} {options.split}: {len(dataset)} faces"))
    return 0


@dataclass(frozen=True, slots=True)
class _Measured:
    """A model as a `Predict` that remembers which of its answers were certain."""

    answer: "Callable[[Sequence[UInt8Image]], tuple[FloatArray, list[bool]]]"
    sha256: str
    certain: list[bool] = field(default_factory=list)

    def __call__(self, faces: "Sequence[UInt8Image]") -> "FloatArray":
        probabilities, certain = self.answer(faces)
        self.certain.extend(certain)
        return probabilities


def _open(model: str, threads: int | None) -> _Measured:
    """A model file or bundled model, or the folder of a run (which needs torch)."""
    if Path(model).is_dir() and not is_listed(Path(model)):
        return _open_run(Path(model), threads)
    import numpy as np

    from fsrfer.labels import EXPRESSIONS
    from fsrfer.photo.recognizer import Recognizer

    recognizer = Recognizer(model, threads=threads)

    def answer(faces: "Sequence[UInt8Image]") -> "tuple[FloatArray, list[bool]]":
        answers = recognizer.classify(faces)
        rows = [[one.probabilities[name] for name in EXPRESSIONS] for one in answers]
        return np.array(rows, np.float32), [one.certain for one in answers]

    return _Measured(answer, recognizer.sha256)


def _open_run(folder: Path, threads: int | None) -> _Measured:
    from hashlib import sha256

    from torch import set_num_threads

    from fsrfer.training.finished import load_predictor
    from fsrfer.training.run import WEIGHTS_FILE

    if threads is not None:
        set_num_threads(threads)
    predict = load_predictor(folder)
    # What a run gives is not calibrated, so none of its answers is called certain.
    return _Measured(
        lambda faces: (predict(faces), [False] * len(faces)), sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    )


def parse_factors(text: str) -> list[float]:
    """Factors written as a list of numbers and ranges.

    Raises:
        FsrferError: something else, or a factor below 1.

    Example:
        >>> parse_factors("1-3,6.5")
        [1.0, 2.0, 3.0, 6.5]
    """
    factors: list[float] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            factors += _range(int(first), int(last)) if last else [float(first)]
    except ValueError:
        raise FsrferError(f"--factors {text}: expected numbers and ranges, such as 1-8 or 1,2,4") from None
    if not all(1 <= factor <= MOST for factor in factors):
        raise FsrferError(f"--factors {text}: factors are between 1 and {MOST}")
    return list(dict.fromkeys(factors))


def _range(first: int, last: int) -> list[float]:
    """All whole numbers between, one too many where they are more than there are factors."""
    if last < first:
        raise ValueError
    return [float(n) for n in range(first, min(last, max(first, MOST + 1)) + 1)]


def _table(report: dict[str, Any], title: str) -> Any:
    from rich.table import Table

    table = Table(title=title)
    columns = (
        "factor",
        "accuracy",
        "95% interval",
        "macro-F1",
        "cal. error (by chance)",
        "certain",
        "right when certain",
    )
    for column in columns:
        table.add_column(column, justify="right")
    for factor, row in report.items():
        low, high = row["interval_95"]
        right = row["certain_accuracy"]
        table.add_row(
            factor,
            f"{row['accuracy']:.1%}",
            f"{low:.1%}-{high:.1%}",
            f"{row['macro_f1']:.1%}",
            f"{row['calibration_error']:.1%} ({row['calibration_error_by_chance'][0]:.1%})",
            f"{row['certain_share']:.0%}",
            "-" if right is None else f"{right:.1%}",
        )
    return table
