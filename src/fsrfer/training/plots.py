"""Pictures of a run: its curves."""

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib  # noqa: F401  (that it is missing must be found before a training, not after it)

from fsrfer.output.figures import new_figure, save_figure
from fsrfer.training.pace import TIMES


def plot_stages(folder: Path) -> None:
    """Draw the curves of every stage of a run: ``curves-STAGE.png`` beside its table."""
    for table in sorted(folder.glob("metrics-*.csv")):
        plot_metrics(table, folder / f"curves-{table.stem.removeprefix('metrics-')}.png")


def plot_metrics(table: Path, target: Path) -> None:
    """Draw every series of a metrics table: losses on the left, accuracies on the right."""
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    with table.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            series[row["name"]].append((int(row["step"]), float(row["value"])))
    figure = new_figure(11, 4)
    losses, accuracies = figure.subplots(1, 2)
    for name, points in series.items():
        if name not in TIMES:
            axes = accuracies if name.startswith("accuracy") else losses
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, label=name, marker="o" if len(points) < 30 else None)
    for axes, title in ((losses, "training losses"), (accuracies, "validation accuracy")):
        axes.set(title=title, xlabel="step")
        if axes.lines:
            axes.legend(frameon=False)
    save_figure(figure, target)
