"""What a video run writes, window by window, so that it can be stopped at any moment and resumed.

After each time window the tables are on disk and ``progress.json`` says how far they reach; whatever was written after
that is cut off on resume. In aggregate-only runs no group of fewer than ``min_group`` faces is reported, and no size or
expression that fewer show is counted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fsrfer.errors import InputError
from fsrfer.files import write_text
from fsrfer.group.estimate import LEAST_PEOPLE, Average, Tally, estimate
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.output.rows import Row, face_row, rounded
from fsrfer.output.tables import Table, open_table
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.types import GroupEstimate
from fsrfer.video.pooling import Pool
from fsrfer.video.results import FrameResult, TrackedFace
from fsrfer.video.state import TrackingState
from fsrfer.video.summary import FollowedFace, RunIdentity
from fsrfer.video.windows import GROUP_COLUMNS, ClosedWindow, Plan, Window, closed_window, group_row
from fsrfer.video.writer import VideoWriter

STATE = "progress.json"

_BOX = ("x1", "y1", "x2", "y2")
_ANSWER = ("expression", "probability", "certain", "legible", "too_small")

FACE_COLUMNS = (
    *("time", "track", *_BOX, "detection_score", "detected", "size_px", "effective_px", *_ANSWER, *EXPRESSIONS),
    *("frame_expression", "frame_probability", "recognised"),
)
"""Columns of ``faces.*``: the answer is pooled over the track's last frames, then come the frame's own, or the last one's
before it where the face was not recognised in it."""


@dataclass(slots=True)
class Totals:
    """The whole clip so far, in constant memory.

    Attributes:
        faces: of every window that was not withheld, once a window; only an `Average` in aggregate-only runs.
        frames, sightings, windows, withheld: how many.
        busiest: the largest number of faces counted in one window.
        followed: how many different faces were followed.
        few: each face with all its frames pooled, by track; None once there are `LEAST_PEOPLE`, and in aggregate-only runs.
    """

    faces: Tally | Average
    frames: int = 0
    sightings: int = 0
    windows: int = 0
    withheld: int = 0
    busiest: int = 0
    followed: int = 0
    few: dict[int, Pool] | None = None

    @property
    def people(self) -> int:
        """How many different faces there were, as far as they could be followed; never less than in one window."""
        return max(self.followed, self.busiest)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        few = None if self.few is None else {track: pool.to_dict() for track, pool in self.few.items()}
        return {name: getattr(self, name) for name in _TOTALS} | {"faces": self.faces.to_dict(), "few": few}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Totals":
        """The reverse of `to_dict`."""
        kind = Tally if "rows" in values["faces"] else Average
        few = values["few"]
        pools = None if few is None else {int(track): Pool.from_dict(pool) for track, pool in few.items()}
        return cls(kind.from_dict(values["faces"]), **{name: values[name] for name in _TOTALS}, few=pools)

    def add_few(self, pools: Mapping[int, Pool]) -> None:
        """Take a window's faces, as long as there are few in all."""
        if self.few is None:
            return
        for track, pool in pools.items():
            self.few[track] = self.few.get(track, Pool.empty()).join(pool)
        if len(self.few) >= LEAST_PEOPLE:
            self.few = None


_TOTALS = tuple(one.name for one in fields(Totals) if one.name not in ("faces", "few"))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: everything up to the beginning of window ``next_window`` is written.

    Attributes:
        identity: of the source and the settings; a run is resumed only with the same.
        next_window: index of the first window that is not written.
        marks: of the tables and the video.
        totals: see `Totals`.
        state: of the faces followed; None in aggregate-only runs.
        uneven: whether the clip can't be begun in its middle: its clock had jumped, or the size of its frames changed.
    """

    identity: RunIdentity
    next_window: int
    marks: Mapping[str, int]
    totals: Totals
    state: TrackingState | None
    uneven: bool = False

    def save(self, folder: Path) -> None:
        """Write it atomically."""
        values = {
            "identity": asdict(self.identity),
            "next_window": self.next_window,
            "marks": self.marks,
            "totals": self.totals.to_dict(),
            "state": self.state and self.state.to_dict(),
            "uneven": self.uneven,
        }
        write_text(folder / STATE, json.dumps(values))

    @classmethod
    def load(cls, folder: Path, identity: RunIdentity) -> "Progress":
        """Read it back.

        Raises:
            InputError: there is none, it cannot be read, or it belongs to other settings.
        """
        path = folder / STATE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if changed := identity.changed_from(values["identity"]):
                if {"bytes", "ends_sha256"} & {*changed}:
                    raise InputError(f"{folder}: begun with another video of this name; use that, or add --overwrite")
                raise InputError(
                    f"{folder}: cannot be resumed with other settings ({', '.join(changed)}); use the same ones"
                )
            state = values["state"] and TrackingState.from_dict(values["state"])
            totals = Totals.from_dict(values["totals"])
            return cls(identity, values["next_window"], values["marks"], totals, state, values["uneven"])
        except FileNotFoundError:
            raise InputError(f"{folder}: no unfinished run here; start without --resume") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: cannot be read ({error}); start again without --resume") from error


class Recorder:
    """Writes a run into a folder (or nowhere) and sums it up.

    Attributes:
        totals: of the whole clip so far.
        groups: the table of time windows, or None.
        lost_video: why the annotated video was given up, or None.
    """

    def __init__(
        self,
        plan: Plan,
        rule: CertaintyRule,
        info: ModelInfo,
        identity: RunIdentity,
        folder: Path | None = None,
        video: Path | None = None,
        blur: bool = False,
        progress: Progress | None = None,
    ):
        """Open the outputs, cut back to what ``progress`` says.

        Raises:
            InputError: something cannot be written.
        """
        self._plan, self._rule, self._info, self._identity, self._folder = plan, rule, info, identity, folder
        new = Totals(Average()) if plan.aggregate_only else Totals(Tally(), few={})
        self.totals = progress.totals if progress else new
        self._followed_before = self.totals.followed if progress and progress.state is None else 0
        marks: Mapping[str, int] = progress.marks if progress else {}
        self.groups = self._table("group", GROUP_COLUMNS, marks)
        self._faces = None if plan.aggregate_only else self._table("faces", FACE_COLUMNS, marks)
        self._video = VideoWriter(video, blur, marks.get("video")) if video else None
        self.lost_video: str | None = None
        self._window: Window | None = None
        self._rows: list[Row] = []
        self._state: TrackingState | None = progress.state if progress else None

    def add(
        self, result: FrameResult, state: TrackingState, known: int = 0, uneven: bool = False
    ) -> ClosedWindow | None:
        """Take the next frame; when it opens a new time window, the last one is written and returned.

        Args:
            result: of the frame.
            state: after it.
            known: how many of its tracks were counted before the run was stopped.
            uneven: see `Progress`.
        """
        index = int((result.time + 1e-6) // self._plan.window)
        closed = None
        if self._window is not None and index != self._window.index:
            closed = self._write_window()
            self._save(index, uneven)
        if self._window is None:
            self._window = Window(index)
        self._window.add(result)
        if self._faces is not None:
            self._rows += [tracked_row(result.time, tracked) for tracked in result.faces]
        self._draw(lambda video: video.add(result))
        self._state = state
        self.totals.followed = self._followed_before + state.started - known
        return closed

    def end_window(self) -> ClosedWindow | None:
        """Write the time window at hand, to which no frame will be added; None if no frame has opened one."""
        if self._window is None:
            return None
        following = self._window.index + 1
        closed = self._write_window()
        self._save(following, uneven=True)
        return closed

    def close(self, complete: bool) -> GroupEstimate:
        """Write the last window and finish all files; returns what can be said of the whole clip.

        Args:
            complete: whether the clip was read to its end; if not, the run can be resumed.
        """
        self._write_window()
        for table in self._tables().values():
            table.finish(keep_parts=not complete)
        self._draw(lambda video: video.finish(keep_parts=not complete))
        if complete and self._folder is not None:
            (self._folder / STATE).unlink(missing_ok=True)
        return self.estimate()

    def estimate(self) -> GroupEstimate:
        """The whole clip; faces that were seen in several windows make its interval no narrower."""
        faces = self.totals.faces
        if isinstance(faces, Average):
            return faces.estimate(self.totals.people)
        return estimate(faces, self._info, self.totals.people)

    def few_faces(self) -> tuple[FollowedFace, ...] | None:
        """Each face's answer over the whole clip; None where there are enough for a group, and in aggregate-only runs."""
        few, rule = self.totals.few, self._rule
        if few is None or self.totals.people >= LEAST_PEOPLE:
            return None
        return tuple(
            FollowedFace(track, pool.answer(rule), rule.is_too_small(pool.size_px))
            for track, pool in sorted(few.items())
        )

    def _table(self, name: str, columns: tuple[str, ...], marks: Mapping[str, int]) -> Table | None:
        if self._folder is None:
            return None
        return open_table(self._folder, name, self._plan.table, columns, marks.get(name))

    def _tables(self) -> dict[str, Table]:
        named = {"group": self.groups, "faces": self._faces}
        return {name: table for name, table in named.items() if table is not None}

    def _write_window(self) -> ClosedWindow | None:
        window = self._window
        if window is None:
            return None
        tally = window.tally(self._rule)
        group = estimate(tally, self._info) if self._plan.smallest.allows(tally.counted) else None
        self._add_to_totals(window, tally, group)
        if self.groups is not None:
            self.groups.append([group_row(window, self._plan, tally, group)])
        if self._faces is not None:
            self._faces.append(self._rows)
        self._draw(VideoWriter.end_part)
        self._window, self._rows = None, []
        return closed_window(window, self._plan, tally, group)

    def _draw(self, act: Callable[[VideoWriter], None]) -> None:
        """Go on without the video where it cannot be written: the other results may lie on another disk."""
        if self._video is None:
            return
        try:
            act(self._video)
        except InputError as error:
            self._video.give_up()
            self._video, self.lost_video = None, str(error)

    def _add_to_totals(self, window: Window, tally: Tally, group: GroupEstimate | None) -> None:
        totals = self.totals
        totals.frames += window.frames
        totals.windows += 1
        if group is None:
            totals.withheld += 1
            return
        totals.sightings += window.sightings
        totals.busiest = max(totals.busiest, tally.counted)
        if isinstance(totals.faces, Average):
            totals.faces.add(tally, group)
        else:
            totals.faces.merge(tally)
        totals.add_few(window.pools)

    def _save(self, next_window: int, uneven: bool) -> None:
        if self._folder is None:
            return
        marks = {name: table.mark() for name, table in self._tables().items()}
        if self._video is not None:
            marks["video"] = self._video.mark()
        state = None if self._plan.aggregate_only else self._state
        Progress(self._identity, next_window, marks, self.totals, state, uneven).save(self._folder)


def tracked_row(time: float, tracked: TrackedFace) -> Row:
    """A face of one frame, by `FACE_COLUMNS`."""
    row = {
        "time": round(time, 4),
        "track": tracked.track,
        "detected": tracked.detected,
        **face_row(tracked.face),
        "frame_expression": tracked.frame_answer.expression,
        "frame_probability": rounded(tracked.frame_answer.probability),
        "recognised": tracked.recognised,
    }
    return {name: row[name] for name in FACE_COLUMNS}


def unfinished(folder: Path) -> bool:
    """Whether a folder holds a run that was stopped."""
    return (folder / STATE).is_file()
