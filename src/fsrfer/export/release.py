"""From a trained network to a model file that says what it is worth: calibrated, measured, described, checked."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fsrfer.errors import ModelError
from fsrfer.evaluation.certainty import fit_certainty, selective_accuracy
from fsrfer.evaluation.metrics import score, soft_confusion
from fsrfer.export.calibration import DEGREE, Views, crossfitted, fit_calibration, view_probabilities
from fsrfer.export.onnx import round_kernels, store_bytes, to_onnx, write_model
from fsrfer.images import shrink_resized
from fsrfer.model_file import ModelInfo
from fsrfer.networks.calibrated import Calibrated, RawNetwork, temperatures
from fsrfer.recognition.model import ExpressionModel
from fsrfer.types import Calibration, UInt8Image

FACTORS = (1, 2, 3, 4, 5, 6, 7, 8)
PARITY = 1e-4
"""How far a probability of the graph may be from the network's."""

Track = Callable[[Iterable[Any]], Iterable[Any]]


def release(
    network: RawNetwork,
    info: ModelInfo,
    faces: UInt8Image,
    labels: NDArray[np.int64],
    heights: NDArray[np.int64],
    split: str,
    target: Path,
    track: Track = iter,
) -> ModelInfo:
    """Calibrate on validation faces, measure, and write the sealed model file.

    What the file says of calibration was measured on faces that were not used to fit it: each half of the validation
    faces by what was fitted on the other. The rule of certain answers is chosen on the probabilities of both halves, with a
    margin. The calibration that is shipped is fitted on all faces.

    Kernels are rounded to 8 bits first, so the figures are those of the file.

    Args:
        network: trained, on the CPU; its kernels are rounded in place.
        info: the description; temperatures, threshold and accuracy are filled in here.
        faces: validation faces at the network's size, uint8, N x S x S (x 3).
        labels: int64, N.
        heights: int64, N: of the faces in pixels, before they were brought to the network's size.
        split: what the faces are, such as ``ferplus valid``.
        target: the ``.onnx`` file.
        track: wraps the factors, to show progress.

    Returns:
        the complete description.

    Raises:
        ModelError: ONNX Runtime's probabilities differ from the network's by more than 1e-4.
    """
    round_kernels(network)
    views: dict[float, Views] = {
        factor: answers(network, shrunk(faces, heights, factor), info.flip) for factor in track(FACTORS)
    }
    degree = 0 if network.effective_size is None else DEGREE
    calibration = fit_calibration(views, labels, degree)
    unseen = crossfitted(views, labels, degree)
    heights_seen = {factor: info.size * 2.0 ** rows.octaves.mean(0) for factor, rows in views.items()}
    height = float(np.median(heights))
    left_px = {factor: _rounded_down(min(info.size, height / factor)) for factor in views}
    certainty = fit_certainty(unseen, heights_seen, labels, left_px)
    complete = replace(
        info,
        temperatures={f"{info.size / f:g}": _temperature(f, calibration) for f in FACTORS},
        certain_from=certainty.threshold,
        certain_px=certainty.least_px,
        confusion={
            f"{height / factor:g}": rounded(soft_confusion(view_probabilities(rows, calibration), labels))
            for factor, rows in views.items()
        },
        accuracy={
            split: {
                f"x{factor:g}": figures(p, labels, certainty.of(p, heights_seen[factor]))
                for factor, p in unseen.items()
            }
        },
    )
    calibrated = Calibrated(network, calibration)
    graph = to_onnx(calibrated, 1 if info.colour == "grey" else 3, info.size)
    store_bytes(graph)
    few = slice(256)
    with TemporaryDirectory() as folder:
        draft = Path(folder, "draft.onnx")
        write_model(graph, complete, draft)
        # Faces that were enlarged are not quite the same after they were shrunk by a factor of 1.
        check_parity(draft, shrunk(faces[few], heights[few], 1), view_probabilities(views[1].first, calibration)[few])
    write_model(graph, complete, target)
    return complete


def _rounded_down(px: float) -> float:
    """To two places, as the file keeps it: the faces that it was chosen for must reach it."""
    return math.floor(100 * px) / 100


@torch.no_grad()
def answers(network: RawNetwork, faces: UInt8Image, flip: bool, batch: int = 256) -> Views:
    """Raw answers of each network to each face, and to its mirror image where asked for."""
    network.eval()
    maps = torch.from_numpy(faces)
    maps = maps[:, None] if maps.ndim == 3 else maps.permute(0, 3, 1, 2)
    logits, log2_px = [], []
    for mirrored in (False, True)[: 1 + flip]:
        parts = (part.flip(-1) if mirrored else part for part in torch.split(maps, batch))
        outputs = [network.analyse(part.float()) for part in parts]
        logits.append(torch.cat([output.each for output in outputs]).numpy())
        log2_px.append(torch.cat([output.log2_px for output in outputs]).numpy())
    full = np.log2(network.size)
    return Views(np.stack(logits), np.stack(log2_px).clip(0, full) - full)


def _temperature(factor: float, calibration: Calibration) -> float:
    return round(temperatures(torch.tensor(-math.log2(factor)), torch.tensor(calibration.temperature)).item(), 3)


def check_parity(path: Path, faces: UInt8Image, expected: NDArray[np.floating]) -> None:
    """Check that a written model gives the probabilities it was exported with, each face in one view.

    Raises:
        ModelError: they differ by more than 1e-4.
    """
    found = ExpressionModel(path).answers(faces, mirror=False).probabilities
    difference = float(np.abs(found - expected).max())
    if difference > PARITY:
        raise ModelError(
            f"{path}: ONNX Runtime's probabilities differ from the network's by {difference:.2g} (limit {PARITY})"
        )


def shrunk(faces: UInt8Image, heights: NDArray[np.int64], factor: float) -> UInt8Image:
    """Faces at the network's size, of ``heights`` before, with the detail that is left once they were shrunk by a factor."""
    pairs = zip(faces, heights.tolist(), strict=True)
    return np.stack([shrink_resized(face, height, factor) for face, height in pairs])


def rounded(matrix: NDArray[np.float64]) -> list[list[float]]:
    """A confusion as a description keeps it."""
    return [[round(float(value), 3) for value in row] for row in matrix]


def figures(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], certain: NDArray[np.bool_]
) -> dict[str, float | None]:
    """What a description says of the answers at one factor."""
    scores = score(labels, probabilities)
    certain_accuracy, certain_share = selective_accuracy(probabilities, labels, certain)
    figures: Sequence[tuple[str, float | None]] = (
        ("accuracy", scores.accuracy),
        ("macro_f1", scores.macro_f1),
        ("calibration_error", scores.calibration_error),
        ("certain_accuracy", certain_accuracy),
        ("certain_share", certain_share),
    )
    return {name: None if value is None else round(value, 4) for name, value in figures}
