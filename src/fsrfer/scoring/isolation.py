"""Photos in a process of their own: one that ends it becomes an error, and the next is looked at by a new one."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fsrfer.scoring.errors import ScoringError, WorkerDied
from fsrfer.scoring.items import Item
from fsrfer.scoring.looking import Looked
from fsrfer.scoring.plan import SECONDS_A_PHOTO, Plan
from fsrfer.scoring.processes import WorkerProcess
from fsrfer.types import Face


def look(plan: Plan, items: list[Item]) -> Iterator[Looked]:
    """What comes of some photos, in their order, whatever they do to a process.

    Raises:
        FsrferError: a store does not answer, or the process does not even start.
    """
    process: WorkerProcess | None = None
    try:
        for item in items:
            process = process or _started(plan)
            try:
                answer = process.ask({"item": asdict(item)}, SECONDS_A_PHOTO)
            except WorkerDied as end:
                process.close()
                process = None
                yield Looked(item, error=f"{item.name}: it ended the process that looked at it ({end})", killed=True)
            else:
                yield _looked(item, answer["looked"])
    finally:
        if process is not None:
            process.close()


def _started(plan: Plan) -> WorkerProcess:
    try:
        return WorkerProcess(plan)
    except WorkerDied as end:
        raise ScoringError(f"a process for photos that may end it does not start ({end})") from end


def to_dict(looked: Looked) -> dict[str, Any]:
    """What came of a photo as plain values, but for the photo itself, which the other side has."""
    values = asdict(looked)
    del values["item"]
    return values


def _looked(item: Item, values: dict[str, Any]) -> Looked:
    return Looked(item, **{**values, "faces": tuple(_face(one) for one in values["faces"])})


def _face(values: dict[str, Any]) -> Face:
    points = values["landmarks"]
    return Face(**{**values, "box": tuple(values["box"]), "landmarks": points and tuple((x, y) for x, y in points)})
