"""How much of a model's error lies in faces that people do not agree on, and whether several models err on the same ones.

Faces are sorted by how far the first expression leads the second among the voters. The last line of several models is the
mean of their answers. Needs a data set with votes, such as FER+.

    python benchmarks/agreement.py MODEL [MODEL ...] --data ferplus=DIR --factors 1,4 --json FILE
"""

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from answers import Faces
from fsrfer.cli.evaluate import parse_factors
from fsrfer.data.dataset import FaceDataset
from fsrfer.files import write_text
from fsrfer.recognition.model import ExpressionModel
from fsrfer.types import FloatArray
from measuring import run

BANDS = {"less than a quarter": (0.0, 0.25), "a quarter or more": (0.25, 0.85), "nearly all": (0.85, 1.01)}
"""Of the lead, as a share of the votes: from, and below."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a bundled model's name or an .onnx file")
    parser.add_argument("--data", required=True, metavar="NAME=PATH")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--factors", default="1,4")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    faces = Faces.read(options.data, options.split, None)
    dataset = faces.dataset
    if (dataset.votes.max(axis=1) == 1).all():
        parser.error(f"{faces.name}: has no votes, only labels; name a data set that has them, such as ferplus")
    models = {model: ExpressionModel(model) for model in options.models}
    figures = {}
    for factor in parse_factors(options.factors):
        answers = {model: faces.answers(opened, factor).probabilities for model, opened in models.items()}
        if len(answers) > 1:
            answers["the mean of all"] = np.mean(list(answers.values()), axis=0)
        figures[f"x{factor:g}"] = {model: _by_band(rows, dataset) for model, rows in answers.items()}
        Console().print(_table(figures[f"x{factor:g}"], f"x{factor:g}: {len(dataset)} faces of {faces.name}"))
    if options.json:
        write_text(options.json, json.dumps({"faces": len(dataset), "factors": figures}, indent=2) + "\n")


def _by_band(answers: FloatArray, dataset: FaceDataset) -> dict[str, dict[str, float]]:
    """Share of the faces, accuracy among them and share of all errors, for each band and for all faces."""
    wrong = answers.argmax(1) != dataset.labels
    second, first = np.sort(dataset.votes, axis=1)[:, -2:].T
    lead = first - second
    bands = {name: (lead >= low) & (lead < high) for name, (low, high) in BANDS.items()}
    return {
        name: {
            "faces": float(band.mean()),
            "accuracy": float(1 - wrong[band].mean()),
            "errors": float(wrong[band].sum() / max(1, wrong.sum())),
        }
        for name, band in {**bands, "all": np.ones_like(wrong)}.items()
        if band.any()
    }


def _table(figures: dict[str, dict[str, dict[str, float]]], title: str) -> Table:
    table = Table("model", "lead among the votes", "faces", "accuracy", "share of the errors", title=title)
    for model, bands in figures.items():
        for band, row in bands.items():
            table.add_row(model, band, *(f"{row[what]:.1%}" for what in ("faces", "accuracy", "errors")))
    return table


if __name__ == "__main__":
    run(main)
