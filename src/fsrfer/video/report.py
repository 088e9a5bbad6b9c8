"""The page of a video run."""

from collections.abc import Iterable
from pathlib import Path

from fsrfer.output.charts import clock
from fsrfer.output.page import FaceLine, Report, counts_of, points_of
from fsrfer.output.rows import Row
from fsrfer.output.viewer import Viewer
from fsrfer.version import __version__
from fsrfer.video.summary import FollowedFace, VideoSummary


def report_of(summary: VideoSummary, rows: Iterable[Row], viewer: Viewer | None = None) -> Report:
    """The page of a run.

    Args:
        summary: of the whole clip.
        rows: of the run's ``group`` table.
        viewer: of chosen frames; None shows nothing of single faces.
    """
    run = summary.run
    facts = {
        "source": run.source,
        "looked at": f"every {run.every:g} s" if run.every else "every frame",
        "time window": f"{run.window:g} s",
        "smallest face": f"{run.min_face:g} px",
        "detector": run.detector,
        "model": f"SHA-256 {run.model_sha256}",
        "computed on": run.device,
        "fsrfer": __version__,
    }
    return Report(
        title=Path(run.source).name or run.source,
        subtitle=f"{summary.frames:,} frames looked at in {clock(summary.read_to)}",
        group=summary.estimate,
        cards=[("faces followed", f"{summary.tracks:,}"), *counts_of(summary.estimate)],
        points=points_of(rows),
        axis="time",
        clock=True,
        sizes=summary.sizes_px,
        warnings=_warnings(summary),
        facts=list(facts.items()),
        viewer=viewer,
        faces=[_line(face) for face in summary.faces or ()],
    )


def _line(face: FollowedFace) -> FaceLine:
    remark = "too small" if face.too_small else "" if face.answer.certain else "uncertain"
    return FaceLine(f"face {face.track}", face.answer.expression, face.answer.probability, remark)


def _warnings(summary: VideoSummary) -> list[str]:
    """What the reader has to know first."""
    dropped = summary.work.frames_dropped
    warnings = (
        (summary.stopped, f"Not the whole clip: {summary.stopped}."),
        (summary.damaged_parts, f"{summary.damaged_parts} damaged parts of the clip were passed over."),
        (summary.corrupt_frames, f"{summary.corrupt_frames} corrupt frames were left out."),
        (summary.missing_seconds, f"{summary.missing_seconds:g} s are missing in the stream."),
        (
            summary.clock_jumps,
            f"The source's clock jumped ({summary.clock_jumps}); times here count on from the newest frame.",
        ),
        (
            summary.windows_withheld,
            f"{summary.windows_withheld} time windows with fewer than {summary.run.min_group} faces are withheld.",
        ),
        (dropped, f"{dropped} frames were passed over because the work could not keep up."),
    )
    return [words for count, words in warnings if count]
