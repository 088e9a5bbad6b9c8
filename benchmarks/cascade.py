"""Is a model's accuracy to be had for less? A small model first, or one view.

    python benchmarks/cascade.py --data ferplus=DIR --json cascade.json

At each factor, for the validation faces:

    cascade T     the small model answers; faces of a probability below T are asked of the large model, whose answer counts
    mirror T      the large model; mirror images only of faces of a probability below T (of none: one view)

All are compared with the large model where it averages every face with its mirror image. Cost is in operations of that.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from answers import Faces, certain_of, figures
from fsrfer.cli.evaluate import parse_factors
from fsrfer.files import write_text
from fsrfer.recognition.model import ExpressionModel
from measuring import columns_of, figure_table, run

MIRRORED_BELOW = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)

COMPARED = ("accuracy", "macro_f1")

LARGEST_IS_WORST = ("cost", "calibration_error")

Row = dict[str, float]


def main() -> None:
    """Measure all variants at each factor."""
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    faces, console = Faces.read(options.data, "valid", options.folder), Console(width=130)
    report: dict[str, dict[str, Row]] = {}
    for factor in options.factors:
        rows = dict(variants(faces, factor, options))
        whole = next(iter(rows.values()))
        report[f"x{factor:g}"] = {
            name: {**row, **{f"{what} won": round(row[what] - whole[what], 2) for what in COMPARED}}
            for name, row in rows.items()
        }
        console.print(figure_table(f"{faces.name} x{factor:g}", report[f"x{factor:g}"]))
    console.print(figure_table("worst of all factors", worst(report)))
    if options.json:
        write_text(options.json, json.dumps({"command": sys.argv, "factors": report}, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="NAME=DIR")
    parser.add_argument("--small", default="fast", metavar="M", help="(%(default)s)")
    parser.add_argument("--large", default="default", metavar="M", help="(%(default)s)")
    parser.add_argument("--factors", type=parse_factors, default="1-8", help="(%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("quantized"), help="keeps answers (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def variants(faces: Faces, factor: float, options: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """Figures of each variant, of the large model itself first."""
    small, large = ExpressionModel(options.small, 1), ExpressionModel(options.large, 1)
    seen, mirrored = faces.views(large, factor)
    first, both = faces.answers(small, factor).probabilities, (seen.probabilities + mirrored.probabilities) / 2
    least = small.info.gflop * (2 if small.info.flip else 1) / (large.info.gflop * 2)

    def row(probabilities: NDArray[np.floating], cost: float) -> Row:
        certain = certain_of(seen, probabilities, large.info)
        return {"cost": round(100 * cost, 1), **figures(probabilities, faces.labels, certain)}

    yield options.large, row(both, 1.0)
    for threshold in MIRRORED_BELOW:
        asked = seen.probabilities.max(1) < threshold
        yield f"mirror {threshold:g}", row(mixed(asked, both, seen.probabilities), (1 + float(asked.mean())) / 2)
    yield options.small, row(first, least)
    for threshold in THRESHOLDS:
        asked = first.max(1) < threshold
        yield f"cascade {threshold:g}", row(mixed(asked, both, first), least + float(asked.mean()))


def mixed(rows: NDArray[np.bool_], these: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """These answers for the rows, the others elsewhere."""
    return np.where(rows[:, None], these, others)


def worst(report: dict[str, dict[str, Row]]) -> dict[str, Row]:
    """Each variant's dearest, least accurate and worst calibrated factor."""
    names = next(iter(report.values()))
    return {
        name: {
            what: (max if what in LARGEST_IS_WORST else min)(
                rows[name][what] for rows in report.values() if what in rows[name]
            )
            for what in columns_of(rows[name] for rows in report.values())
        }
        for name in names
    }


if __name__ == "__main__":
    run(main)
