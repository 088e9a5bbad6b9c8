"""Time windows of a run: the faces of each, and what is told of it once it is over."""

from dataclasses import asdict, dataclass, field

from fsrfer.group.estimate import Tally
from fsrfer.group.withholding import SmallestGroup
from fsrfer.output.rows import ANSWER_COUNT_COLUMNS, SHARE_COLUMNS, Row, share_cells
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.types import Group, GroupEstimate
from fsrfer.video.pooling import Pool
from fsrfer.video.results import FrameResult

_COUNTS = ("faces", "faces_per_frame", "counted", "too_small", "uncertain")

GROUP_COLUMNS = ("start", "end", "frames", *_COUNTS, *SHARE_COLUMNS, "corrected", "withheld", *ANSWER_COUNT_COLUMNS)
"""Columns of ``group.*``: a row a time window; counts and shares are empty where fewer faces than allowed were withheld."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run records.

    Attributes:
        window: length of a time window in seconds.
        table: format of the tables.
        smallest: in aggregate-only runs, smaller groups are withheld.
        aggregate_only: whether nothing of single faces is written.
    """

    window: float
    table: str
    smallest: SmallestGroup
    aggregate_only: bool = False


@dataclass(slots=True)
class Window:
    """The faces of one time window; each counts once, with all its frames pooled.

    Attributes:
        index: windows are counted from the clip's beginning.
        frames, sightings: how many so far.
        pools: by track.
    """

    index: int
    frames: int = 0
    sightings: int = 0
    pools: dict[int, Pool] = field(default_factory=dict)

    def add(self, result: FrameResult) -> None:
        """Take one frame."""
        self.frames += 1
        self.sightings += len(result.faces)
        for tracked in result.faces:
            pool = self.pools.get(tracked.track)
            if pool is None or tracked.recognised:
                self.pools[tracked.track] = (pool or Pool.empty()).add(tracked.frame_answer, result.time)

    def tally(self, rule: CertaintyRule) -> Tally:
        """Its faces."""
        tally = Tally()
        for pool in self.pools.values():
            tally.add(pool.answer(rule), rule.is_too_small(pool.size_px))
        return tally


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """What is told of a time window that is over; None where too few people were seen.

    Attributes:
        start, end: in seconds since the clip's first frame.
        frames: looked at.
        faces_per_frame: in the mean.
        group: plain counts, each face once; shares of expressions that too few show are left out.
        estimate: corrected shares.
    """

    start: float
    end: float
    frames: int
    faces_per_frame: float | None
    group: Group | None
    estimate: GroupEstimate | None


def group_row(window: Window, plan: Plan, tally: Tally, group: GroupEstimate | None) -> Row:
    """A time window, by `GROUP_COLUMNS`; None for a group that is withheld."""
    row: Row = {
        **dict.fromkeys(GROUP_COLUMNS),
        "start": round(window.index * plan.window, 4),
        "end": round((window.index + 1) * plan.window, 4),
        "frames": window.frames,
        "withheld": group is None,
    }
    if group is None:
        return row
    counts = {name: value for name, value in asdict(group).items() if name in _COUNTS}
    row |= {**counts, "faces_per_frame": round(window.sightings / window.frames, 3), "corrected": group.corrected}
    row |= {f"count_{name}": count for name, count in plan.smallest.counts(tally.by_expression).items()}
    return row | share_cells(group)


def closed_window(window: Window, plan: Plan, tally: Tally, group: GroupEstimate | None) -> ClosedWindow:
    """A time window as it is told."""
    start, end = (round((window.index + after) * plan.window, 4) for after in (0, 1))
    if group is None:
        return ClosedWindow(start, end, window.frames, None, None, None)
    per_frame = round(window.sightings / window.frames, 3)
    return ClosedWindow(start, end, window.frames, per_frame, plan.smallest.group(tally), group)
