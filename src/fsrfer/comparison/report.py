"""One report of a benchmark: Markdown for readers, JSON for programs, pictures for both.

The only sentences it writes state a difference with its interval and p; what follows from them is for people to write, in
``conclusions.md`` beside it, which is never touched.
"""

import datetime
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fsrfer.comparison import plots
from fsrfer.comparison.statistics import DRAWS, Estimate
from fsrfer.comparison.store import Store
from fsrfer.comparison.summary import Cell, Comparison, Rival, Summary, in_percent, summarise, versions
from fsrfer.files import write_text
from fsrfer.labels import EXPRESSIONS

CONCLUSIONS = "conclusions.md"

SURE = 0.05
"""Adjusted p below which a difference is stated as one."""


def write_report(
    folder: Path,
    target: Path,
    reference: str,
    command: str,
    title: str = "Benchmark",
    methods: Sequence[str] | None = None,
    shown_factors: Sequence[float] = (1, 4, 8),
    pictures: Sequence[tuple[str, str]] = (),
    date: datetime.date | None = None,
    track: Callable[[Iterable[str]], Iterable[str]] = iter,
    draws: int = DRAWS,
) -> Summary:
    """Write ``report.md``, ``report.json`` and the plots into ``target``.

    Args:
        folder: of the measured benchmark.
        target: made if it is not there.
        reference: the method that the others are compared with.
        command: that made the figures.
        title: of the report.
        methods: which, in this order; by default all, the most accurate first.
        shown_factors: of the confusion matrices, recalls, costs and selective curves; those not measured are left out.
        pictures: further ones that lie in ``target``: caption and file name.
        date: by default today's, UTC.
        track: wraps the names of the methods, to show progress.
        draws: bootstrap samples.

    Raises:
        DataError: nothing was measured in ``folder``, or not the methods named.
        FsrferError: matplotlib is not installed.
    """
    plots.require_matplotlib()
    summary = summarise(Store.load(folder), reference, methods, track, draws)
    shown = [float(factor) for factor in shown_factors if factor in summary.factors] or summary.factors[:1]
    day = (date or datetime.datetime.now(datetime.UTC).date()).isoformat()
    drawn = plots.draw_all(summary, shown, target)
    values = {"title": title, "command": command, "date": day, **summary.to_dict()}
    write_text(target / "report.json", json.dumps(values, indent=1) + "\n")
    has_conclusions = (target / CONCLUSIONS).is_file()
    write_text(
        target / "report.md", _markdown(summary, title, command, day, shown, [*drawn, *pictures], has_conclusions)
    )
    return summary


def sentence(summary: Summary, comparison: Comparison) -> str:
    """What one comparison says: above, below, or not to be told apart."""
    found, first, second = comparison.difference, summary.title(comparison.method), summary.title(summary.reference)
    low, high = (100 * bound for bound in found.interval)
    detail = f"(95% interval {low:+.1f} to {high:+.1f}, {_p(comparison.adjusted_p)})"
    where = f"at x{comparison.factor:g}"
    if comparison.adjusted_p >= SURE or low <= 0 <= high:
        return f"{first} and {second} cannot be told apart {where}: {100 * found.mean:+.1f} points {detail}."
    side = "above" if found.mean > 0 else "below"
    return f"{first} is {side} {second} by {abs(100 * found.mean):.1f} points {where} {detail}."


def _markdown(
    summary: Summary,
    title: str,
    command: str,
    day: str,
    shown: Sequence[float],
    pictures: Sequence[tuple[str, str]],
    has_conclusions: bool,
) -> str:
    parts = [
        f"# {title}",
        *([f"What follows from these figures: [conclusions]({CONCLUSIONS})."] if has_conclusions else []),
        _facts(summary, command, day),
        "## Accuracy by factor\n\nPercent, with 95% intervals: " + _INTERVALS,
        _by_factor(summary, lambda cell: in_percent(cell.figures.accuracy)),
        "## Macro-F1 by factor\n\nPercent, with 95% intervals (bootstrap).",
        _by_factor(summary, lambda cell: in_percent(cell.figures.macro_f1)),
        "## Expected calibration error by factor\n\nPercent; 15 equal-width bins of the winning class.",
        _by_factor(summary, lambda cell: f"{100 * cell.figures.calibration_error.mean:.1f}"),
        *_deviations(summary),
        *[_recalls(summary, factor) for factor in shown],
        "## Cost\n\nOf one face; time is the median of batches, in this run, on this machine.",
        _costs(summary),
        *_differences(summary),
        "## Pictures",
        *[f"![{caption}]({name})\n\n{caption}." for caption, name in pictures],
    ]
    return "\n\n".join(parts) + "\n"


_INTERVALS = (
    "Wilson's for a single run; for several, a bootstrap over faces and seeds (which understates what seeds do where there "
    "are only two or three)."
)


def _facts(summary: Summary, command: str, day: str) -> str:
    subject = summary.subject
    seeds = sorted({cell.figures.accuracy.seeds for rival in summary.rivals for cell in rival.cells.values()})
    rows = {
        "faces": f"{subject.data}, split {subject.split}: {subject.faces}",
        "classes": ", ".join(f"{name} {count}" for name, count in summary.class_counts.items()),
        "median height": f"{subject.height:g} px before shrinking",
        "fingerprint": f"`{subject.fingerprint}`",
        "runs of a method": " or ".join(map(str, seeds)),
        "command": f"`{command}`",
        "date": day,
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    return _table(("", ""), list(rows.items()))


def _by_factor(summary: Summary, show: Callable[[Cell], str]) -> str:
    heights = [f"x{factor:g}<br>{summary.subject.height / factor:.0f} px" for factor in summary.factors]
    rows = [
        (rival.title, *(show(rival.cells[factor]) if factor in rival.cells else "-" for factor in summary.factors))
        for rival in summary.rivals
    ]
    return _table(("method", *heights), rows)


def _deviations(summary: Summary) -> list[str]:
    if all(cell.figures.accuracy.seeds == 1 for rival in summary.rivals for cell in rival.cells.values()):
        return []
    heading = "## Spread over seeds\n\nStandard deviation of the accuracy in points, and the number of runs."
    return [heading, _by_factor(summary, lambda cell: _spread(cell.figures.accuracy))]


def _spread(value: Estimate) -> str:
    return "- (1)" if value.deviation is None else f"{100 * value.deviation:.2f} ({value.seeds})"


def _recalls(summary: Summary, factor: float) -> str:
    rows = []
    for rival in summary.rivals:
        if factor in rival.cells:
            recall = rival.cells[factor].recall
            rows.append(
                (rival.title, *("-" if (r := recall[name]) is None else f"{100 * r[0]:.1f}" for name in EXPRESSIONS))
            )
    return f"## Recall of each class at x{factor:g}\n\nPercent.\n\n" + _table(("method", *EXPRESSIONS), rows)


def _costs(summary: Summary) -> str:
    def row(rival: Rival) -> tuple[str, ...]:
        gflop = "-" if rival.gflop is None else f"{rival.gflop:.3g}"
        time = "-" if rival.milliseconds is None else f"{rival.milliseconds:.3g}"
        return rival.title, gflop, time

    return _table(("method", "GFLOP", "ms"), [row(rival) for rival in summary.rivals])


def _differences(summary: Summary) -> list[str]:
    if not summary.comparisons:
        return []
    test = "McNemar's exact test between single runs, else the difference over its bootstrap standard error"
    return [
        f"## Differences from {summary.title(summary.reference)}\n\nAccuracy on the same faces. p: {test}; adjusted for "
        f"{len(summary.comparisons)} comparisons (Holm).",
        "\n".join(f"- {sentence(summary, comparison)}" for comparison in summary.comparisons),
    ]


def _p(value: float) -> str:
    return "adjusted p < 0.001" if value < 0.001 else f"adjusted p = {value:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
