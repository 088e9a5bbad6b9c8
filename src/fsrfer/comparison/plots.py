"""Pictures of a benchmark: legible in grey, safe for the colour-blind, every line named where it ends."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.comparison.summary import Cell, Rival, Summary
from fsrfer.errors import FsrferError
from fsrfer.labels import EXPRESSIONS
from fsrfer.output.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Of Okabe and Ito (2008), without the yellow, which is hard to see on white."""

_MARKERS = "osD^vPX*"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))
_MAX_POINTS = 2000
_MATRIX_DPI = 80  # three matrices fill a page's width; more pixels would only be shrunk
_FEWEST_ANSWERS = 50  # the accuracy of fewer says nothing


def require_matplotlib() -> None:
    """Say early that plots need matplotlib.

    Raises:
        FsrferError: it is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise FsrferError("plots need matplotlib: pip install 'fsrfer[train]'") from None


def draw_all(summary: Summary, shown_factors: Sequence[float], target: Path) -> list[tuple[str, str]]:
    """Draw every picture of a report into a folder.

    Returns:
        the caption and file name of each.
    """
    drawn = [
        ("Accuracy against down-sampling factor; bands are 95% intervals", "accuracy.png", draw_accuracy(summary)),
        ("Accuracy against the height of the shrunk faces", "height.png", draw_height(summary)),
    ]
    for factor in shown_factors:
        word, rivals = f"x{factor:g}", [rival for rival in summary.rivals if factor in rival.cells]
        if any(rival.gflop or rival.milliseconds for rival in rivals):
            drawn.append((f"Accuracy against cost at {word}", f"cost-{word}.png", draw_cost(rivals, factor)))
        drawn.append(
            (
                f"Accuracy of the most confident answers at {word}, against their share of all faces",
                f"selective-{word}.png",
                draw_selective(rivals, factor),
            )
        )
        drawn.append(
            (
                f"Answers in percent of each true class at {word}",
                f"confusion-{word}.png",
                draw_confusions(rivals, factor),
            )
        )
    for _, name, figure in drawn:
        save_figure(figure, target / name)
    return [(caption, name) for caption, name, _ in drawn]


def draw_accuracy(summary: Summary) -> "Figure":
    """Accuracy in percent against factor."""
    figure, axes = _one_panel()
    axes.set(xlabel="down-sampling factor", xticks=summary.factors, xticklabels=[f"x{f:g}" for f in summary.factors])
    _draw_lines(axes, summary.rivals, lambda factor, _: factor)
    return figure


def draw_height(summary: Summary) -> "Figure":
    """Accuracy in percent against the median height of the shrunk faces, on a logarithmic axis, small faces on the right."""
    figure, axes = _one_panel()
    heights = [summary.subject.height / factor for factor in summary.factors]
    axes.set_xscale("log")
    axes.set_xticks(heights, [f"{height:.0f}" for height in heights])
    axes.minorticks_off()
    axes.invert_xaxis()
    axes.set_xlabel("face height in pixels")
    _draw_lines(axes, summary.rivals, lambda _, cell: cell.height)
    return figure


def draw_cost(rivals: Sequence[Rival], factor: float) -> "Figure":
    """Accuracy in percent at one factor against GFLOP and against milliseconds a face, on logarithmic axes."""
    from matplotlib.ticker import LogLocator, NullLocator

    figure = new_figure(11, 4.6)
    panels = figure.subplots(1, 2, sharey=True)
    costs: tuple[Callable[[Rival], float | None], ...] = (lambda rival: rival.gflop, lambda rival: rival.milliseconds)
    for axes, cost, unit in zip(panels, costs, ("GFLOP a face", "milliseconds a face"), strict=True):
        axes.set(xscale="log", xlabel=unit)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        _bare(axes)
        for index, rival in enumerate(rivals):
            if place := cost(rival):
                value = rival.cells[factor].figures.accuracy
                low, high = value.interval
                bars = [[100 * (value.mean - low)], [100 * (high - value.mean)]]
                colour, marker, _ = _style(index)
                axes.errorbar([place], [100 * value.mean], yerr=bars, color=colour, marker=marker, capsize=2, ms=7)
                axes.annotate(
                    rival.title, (place, 100 * value.mean), (7, 3), textcoords="offset points", fontsize=8, color=colour
                )
        axes.margins(x=0.3, y=0.12)
    panels[0].set_ylabel(f"accuracy at x{factor:g}, %")
    return figure


def draw_selective(rivals: Sequence[Rival], factor: float) -> "Figure":
    """Accuracy in percent of the answers above every threshold, against their share."""
    figure, axes = _one_panel()
    ends = []
    for index, rival in enumerate(rivals):
        cell = rival.cells[factor]
        order = np.argsort(-cell.confidence, kind="stable")
        answered = np.arange(1, len(order) + 1)
        accuracy = 100 * np.cumsum(cell.right[order]) / answered
        share = 100 * answered / len(order)
        kept = answered >= min(_FEWEST_ANSWERS, len(order))
        colour, _, dash = _style(index)
        axes.plot(share[kept], accuracy[kept], color=colour, linestyle=dash)
        ends.append((100.0, float(accuracy[-1]), rival.title, colour))
    axes.set(xlabel=f"share of faces answered at x{factor:g}, most confident first, %", xlim=(0, 100))
    _name_ends(axes, ends)
    return figure


def draw_confusions(rivals: Sequence[Rival], factor: float) -> "Figure":
    """One matrix a method, in percent of each true class, over all seeds."""
    columns = min(3, len(rivals))
    rows = -(-len(rivals) // columns)
    figure = new_figure(4.1 * columns + 0.4, 3.9 * rows, dpi=_MATRIX_DPI)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(rivals) :]:
        axes.set_axis_off()
    for axes, rival in zip(panels.flat, rivals, strict=False):
        _draw_confusion(axes, rival.cells[factor].confusion)
        axes.set_title(rival.title, fontsize=10)
    figure.supxlabel("answered", fontsize=10)
    figure.supylabel("true", fontsize=10)
    return figure


def draw_features(
    feat_hr: NDArray[np.floating],
    feat_lr: NDArray[np.floating],
    feat_sr: NDArray[np.floating],
    labels: NDArray[np.int64],
    title: str = "",
) -> "Figure":
    """The features of large faces, of small ones, and of small ones super-resolved, on one plane.

    The plane holds the two first principal components of the large faces' features, so that all three share their axes.

    Args:
        feat_hr, feat_lr, feat_sr: N x anything, of the same faces: at full size, shrunk, and shrunk then super-resolved.
        labels: int64, N.
        title: of the figure.

    Raises:
        ValueError: shapes that do not fit.
    """
    if not feat_hr.shape == feat_lr.shape == feat_sr.shape or len(labels) != len(feat_hr) or len(labels) < 3:
        raise ValueError(f"need three features and labels of the same faces, not {feat_hr.shape}, {feat_lr.shape}, ...")
    points = project(feat_hr, feat_hr, feat_lr, feat_sr)
    figure = new_figure(12.5, 4.4)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, places, name in zip(
        panels, points, ("full size", "shrunk, before super-resolution", "shrunk, after super-resolution"), strict=True
    ):
        for index, expression in enumerate(EXPRESSIONS):
            chosen = labels == index
            colour, marker, _ = _style(index)
            axes.scatter(
                *places[chosen].T, s=12, color=colour, marker=marker, alpha=0.6, linewidths=0, label=expression
            )
        axes.set(title=name, xticks=[], yticks=[], xlabel="first component")
        _bare(axes)
    panels[0].set_ylabel("second component")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(EXPRESSIONS), frameon=False)
    figure.suptitle(title)
    return figure


def project(basis: NDArray[np.floating], *features: NDArray[np.floating]) -> list[NDArray[np.float64]]:
    """Coordinates of features on the first two principal components of ``basis``.

    Args:
        basis: N x anything; the axes are fitted to at most 2,000 of its rows, evenly spaced.
        features: arrays whose rows have the same shape.

    Returns:
        float64, rows x 2, for each array; the sign of an axis makes its largest loading positive.
    """
    flat = basis.reshape(len(basis), -1).astype(np.float64)
    fitted = flat[:: max(1, -(-len(flat) // _MAX_POINTS))]
    centre = fitted.mean(0)
    axes = np.linalg.svd(fitted - centre, full_matrices=False)[2][:2]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    return [(group.reshape(len(group), -1) - centre) @ axes.T for group in features]


def _one_panel() -> "tuple[Figure, Axes]":
    figure = new_figure(8.6, 5)
    axes = figure.subplots()
    axes.set_ylabel("accuracy, %")
    _bare(axes)
    return figure, axes


def _bare(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _style(index: int) -> tuple[str, str, Any]:
    dash = _DASHES[index // len(COLOURS) % len(_DASHES)]
    return COLOURS[index % len(COLOURS)], _MARKERS[index % len(_MARKERS)], dash


def _draw_lines(axes: "Axes", rivals: Sequence[Rival], place: Callable[[float, Cell], float]) -> None:
    ends = []
    for index, rival in enumerate(rivals):
        colour, marker, dash = _style(index)
        places = [place(factor, cell) for factor, cell in rival.cells.items()]
        values = [cell.figures.accuracy for cell in rival.cells.values()]
        means = [100 * value.mean for value in values]
        lows, highs = zip(*(value.interval for value in values), strict=True)
        axes.fill_between(places, 100 * np.array(lows), 100 * np.array(highs), color=colour, alpha=0.1, linewidth=0)
        axes.plot(places, means, color=colour, marker=marker, markersize=5, linestyle=dash, linewidth=1.6)
        ends.append((places[-1], means[-1], rival.title, colour))
    _name_ends(axes, ends)


def _name_ends(axes: "Axes", ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name to the right of the panel, at its last point, pushed apart where names would overlap."""
    low, high = axes.get_ylim()
    gap = (high - low) / 24
    heights = _spaced([value for _, value, _, _ in ends], gap, high)
    for (place, value, title, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            title,
            xy=(place, value),
            xytext=(1.03, height),
            textcoords=axes.get_yaxis_transform(),
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.5, "shrinkA": 0, "shrinkB": 3},
        )
    axes.set_ylim(low, high)


def _spaced(values: Sequence[float], gap: float, top: float) -> list[float]:
    """The values, moved as little as a single pass downwards can so that neighbours are ``gap`` apart."""
    heights = [0.0] * len(values)
    ceiling = top
    for index in sorted(range(len(values)), key=lambda i: -values[i]):
        heights[index] = min(values[index], ceiling)
        ceiling = heights[index] - gap
    return heights


def _draw_confusion(axes: "Axes", confusion: NDArray[np.int64]) -> None:
    percent = 100 * confusion / np.maximum(1, confusion.sum(1, keepdims=True))
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(percent.shape):
        value = percent[row, column]
        axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if value > 55 else "black"
        )
    places = range(len(EXPRESSIONS))
    axes.set_xticks(places, EXPRESSIONS, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(places, EXPRESSIONS, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
