"""What the service answers: the dictionaries that the command line writes, and their description for the OpenAPI document.

The description is made from the dataclasses that those dictionaries come from.
"""

from dataclasses import dataclass
from typing import Any

from fsrfer.group.counting import Counts
from fsrfer.group.estimate import Tally
from fsrfer.group.withholding import SmallestGroup
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import ModelInfo
from fsrfer.photo.results import PhotoResult
from fsrfer.photo.summary import PhotosTally
from fsrfer.types import Face, GroupEstimate
from fsrfer.video.results import FrameResult


@dataclass(frozen=True)
class PlainCounts:
    """The faces of a photo counted by their most probable expressions; nothing is corrected.

    Attributes:
        faces, uncertain, too_small: how many were found, how many of them have no certain expression, how many are too small.
        shares: of each expression among the faces that are large enough, 0..1; null for one that too few people show.
        mean_probabilities: mean probability of each expression over the same faces.
    """

    faces: int
    uncertain: int
    too_small: int
    shares: dict[str, float | None]
    mean_probabilities: dict[str, float]


@dataclass(frozen=True)
class PhotoAnswer:
    """All faces of one photo.

    Attributes:
        source: the file's name in the form, or ``picture``.
        width, height: of the upright photo in pixels; null if it could not be read.
        error: null, or one line on why it could not be looked at.
        device: that the networks ran on, such as ``cpu``; null where nothing looked at it.
        faces: best detection first; null where nothing of single faces is told.
        group: plain counts; null of too few people where nothing of single faces is told.
        estimate: shares with 95% intervals; null as for ``group``, or with an error.
    """

    source: str
    width: int | None
    height: int | None
    error: str | None
    device: str | None
    faces: list[Face] | None
    group: PlainCounts | None
    estimate: GroupEstimate | None


@dataclass(frozen=True)
class PhotosSummary:
    """All photos of a request as one group.

    Attributes:
        photos, failed: how many there were, and how many could not be looked at.
        without_faces: photos that show no face; null where nothing of single faces is told.
        device: that the networks ran on, such as ``cpu``.
        group, estimate: as for one photo.
    """

    photos: int
    failed: int
    without_faces: int | None
    device: str
    group: PlainCounts | None
    estimate: GroupEstimate | None


@dataclass(frozen=True)
class PredictAnswer:
    """The photos of a request, in their order, and all of them as one group."""

    photos: list[PhotoAnswer]
    summary: PhotosSummary


@dataclass(frozen=True)
class CropAnswer:
    """What one crop shows, or why that cannot be told; the rest is then null.

    Attributes:
        file: its name in the form, or ``picture``.
        size_px: its height in pixels.
        effective_px: height that its detail amounts to; null where the model does not estimate it.
        expression, probability: the most probable one.
        certain: whether the answer is called certain.
        legible: how likely an expression can be told at all, 0..1.
        error: null, or one line.
        probabilities: of all seven expressions.
        device: that the networks ran on, such as ``cpu``; null where nothing looked at it.
    """

    file: str
    size_px: float | None
    effective_px: float | None
    expression: str | None
    probability: float | None
    certain: bool | None
    legible: float | None
    error: str | None
    probabilities: dict[str, float] | None
    device: str | None


@dataclass(frozen=True)
class ClassifyAnswer:
    """The crops of a request, in their order."""

    crops: list[CropAnswer]


def predicted(results: list[PhotoResult], info: ModelInfo, device: str, smallest: SmallestGroup) -> dict[str, Any]:
    """The answer to some photos, without what would speak of too few."""
    together = PhotosTally()
    for result in results:
        together.add(result)
    summary = together.to_dict(info, device)
    if not smallest.least:
        return {"photos": [result.to_dict() for result in results], "summary": summary}
    told = [smallest.allows(result.tally().counted) for result in results]
    hidden = together.faces.counted - sum(
        result.tally().counted for result, is_told in zip(results, told, strict=True) if is_told
    )
    # Who subtracts the photos that are told from the sum of all must not learn of few people either.
    whole = _withheld(summary, together.faces, smallest) if hidden == 0 or smallest.allows(hidden) else _blank(summary)
    return {
        "photos": [_withheld(result.to_dict(), result.tally(), smallest) | {"faces": None} for result in results],
        "summary": whole | {"without_faces": None},
    }


def followed(result: FrameResult, smallest: SmallestGroup) -> dict[str, Any]:
    """The answer to a live frame: its faces with the numbers of those they belong to, and all of them as a group."""
    told = {"time": round(result.time, 3), "width": result.width, "height": result.height}
    if not smallest.least:
        faces = [tracked.to_dict() for tracked in result.faces]
        return {**told, "faces": faces, "group": result.group.to_dict()}
    counts = Tally.of(one.face for one in result.faces)
    return _withheld({**told, "faces": None}, counts, smallest)


def _withheld(told: dict[str, Any], counts: Counts, smallest: SmallestGroup) -> dict[str, Any]:
    """A photo or a summary without the group where it is too small, and without the shares that too few people show."""
    group = smallest.group(counts)
    if group is None:
        return _blank(told)
    shares = {name: group.shares.get(name) for name in EXPRESSIONS}
    return {**told, "group": {**group.to_dict(), "shares": shares}}


def _blank(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "group": None, "estimate": None}
