"""How well the effective size is estimated from the pixels, and what it is good for.

``python benchmarks/effective_size.py RUN --data ferplus=DIR [--json FILE]``, with RUN the folder of a finished run of a
classifier, or of one of its networks (``RUN/networks/NAME``). It shows the estimate's error at each factor, plainly shrunk and
by a poor camera; and the calibration error on faces that were not used to fit it, with one temperature for all sizes and with
one that follows the effective size.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fsrfer.data import readers
from fsrfer.data.dataset import load_pixels
from fsrfer.evaluation.by_factor import Degrade, by_camera, plainly
from fsrfer.evaluation.metrics import calibration_error
from fsrfer.export.calibration import DEGREE, Views, crossfitted, fit_calibration
from fsrfer.export.release import FACTORS, answers
from fsrfer.files import write_text
from fsrfer.networks.calibrated import temperatures
from fsrfer.networks.ensemble import SizedNetwork
from fsrfer.training.start import load_run
from fsrfer.types import UInt8Image
from measuring import run

Figures = dict[str, dict[str, float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run of a classifier")
    parser.add_argument("--data", required=True, metavar="NAME=PATH", help="faces to measure on")
    parser.add_argument("--split", default="valid", metavar="S")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    recipe, network = load_run(options.run)
    name, path = readers.parse_source(options.data)
    dataset = readers.read(name, path, options.split)
    faces, heights = load_pixels(dataset, recipe.input.size, recipe.input.colour)
    plain = _views(network, faces, plainly, recipe.export.flip)
    camera = _views(network, faces, by_camera, recipe.export.flip)
    figures = {
        f"x{factor:g}": {
            **_errors(plain[factor], np.minimum(heights, network.size) / factor, network.size, "plain"),
            **_spread(camera[factor], network.size, "camera"),
        }
        for factor in FACTORS
    }
    for degree, what in ((0, "one temperature"), (DEGREE, "by effective size")):
        unseen = crossfitted(plain, dataset.labels, degree)
        for factor in FACTORS:
            figures[f"x{factor:g}"][f"calibration error, {what}"] = calibration_error(dataset.labels, unseen[factor])
    coefficients = fit_calibration(plain, dataset.labels).temperature
    found = temperatures(-torch.tensor(FACTORS).log2(), torch.tensor(coefficients))
    for factor, temperature in zip(FACTORS, found.tolist(), strict=True):
        figures[f"x{factor:g}"]["temperature"] = temperature
    Console().print(_table(figures, f"{options.run} on {name} {options.split}: {len(dataset)} faces"))
    if options.json:
        write_text(options.json, json.dumps({"faces": len(dataset), "factors": figures}, indent=2) + "\n")


def _views(network: SizedNetwork, faces: UInt8Image, degrade: Degrade, flip: bool) -> dict[float, Views]:
    return {
        factor: answers(network, np.stack([degrade(face, factor, i) for i, face in enumerate(faces)]), flip)
        for factor in FACTORS
    }


def _errors(views: Views, heights: NDArray[np.floating], size: int, what: str) -> dict[str, float]:
    octaves = np.abs(views.octaves.mean(0) - np.log2(np.round(heights) / size))
    return {
        **_spread(views, size, what),
        "error, octaves": float(octaves.mean()),
        "within a quarter": float((octaves < np.log2(1.25)).mean()),
    }


def _spread(views: Views, size: int, what: str) -> dict[str, float]:
    low, middle, high = np.percentile(size * 2.0 ** views.octaves.mean(0), (10, 50, 90))
    return {f"{what}, median px": float(middle), f"{what}, 10%": float(low), f"{what}, 90%": float(high)}


def _table(figures: Figures, title: str) -> Table:
    table = Table("", *figures, title=title)
    for name in next(iter(figures.values())):
        table.add_row(name, *(_short(row[name]) for row in figures.values()))
    return table


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 1.5 else f"{value:.1f}"


if __name__ == "__main__":
    run(main)
