"""The page of a video run."""

from collections.abc import Iterable
from pathlib import Path

from fsrfer.output.charts import clock
from fsrfer.output.page import Report, counts_of, points_of
from fsrfer.output.rows import Row
from fsrfer.version import __version__
from fsrfer.video.summary import VideoSummary


def report_of(summary: VideoSummary, rows: Iterable[Row]) -> Report:
    """The page of a run.

    Args:
        summary: of the whole clip.
        rows: of the run's ``group`` table.
    """
    settings = summary.settings
    every = settings["every"]
    facts = {
        "source": settings["source"],
        "looked at": f"every {every:g} s" if every else "every frame",
        "time window": f"{settings['window']:g} s",
        "smallest face": f"{settings['min_face']:g} px",
        "detector": settings["detector"],
        "model": f"SHA-256 {settings['model_sha256']}",
        "fsrfer": __version__,
    }
    return Report(
        title=Path(settings["source"]).name or settings["source"],
        subtitle=f"{summary.frames:,} frames looked at in {clock(summary.read_to)}",
        group=summary.estimate,
        cards=[("faces followed", f"{summary.tracks:,}"), *counts_of(summary.estimate)],
        points=points_of(rows),
        axis="time",
        clock=True,
        sizes=summary.sizes_px,
        warnings=_warnings(summary),
        facts=list(facts.items()),
    )


def _warnings(summary: VideoSummary) -> list[str]:
    """What the reader has to know first."""
    dropped, least = summary.work["frames_dropped"], summary.settings["min_group"]
    told = (
        (summary.stopped, f"Not the whole clip: {summary.stopped}."),
        (summary.damaged_parts, f"{summary.damaged_parts} damaged parts of the clip were passed over."),
        (summary.corrupt_frames, f"{summary.corrupt_frames} corrupt frames were left out."),
        (summary.missing_seconds, f"{summary.missing_seconds:g} s are missing in the stream."),
        (summary.clock_jumps, f"The source's clock started again {summary.clock_jumps} times; time goes on."),
        (
            summary.windows_withheld,
            f"{summary.windows_withheld} time windows with fewer than {least} faces are withheld.",
        ),
        (dropped, f"{dropped} frames were passed over because the work could not keep up."),
    )
    return [words for count, words in told if count]
