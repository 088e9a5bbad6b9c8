"""Groups of photos, from the sums of their chunks: shares with intervals, and nothing of too few people."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from fsrfer.group.estimate import Tally, estimate
from fsrfer.group.withholding import SmallestGroup
from fsrfer.model_file import ModelInfo
from fsrfer.output.rows import share_cells
from fsrfer.scoring.parts import PHOTO_COUNTS
from fsrfer.scoring.schema import GROUP_COLUMNS, GROUP_COUNTS


def group_rows(sums: Iterable[Mapping[str, Any]], info: ModelInfo, smallest: SmallestGroup) -> list[Mapping[str, Any]]:
    """A row a group, in the order of their names; one of too few people has a name and a number of photos, and no more.

    Args:
        sums: as `fsrfer.scoring.parts.group_sums` made them, of all chunks in their order.
        info: of the model.
        smallest: what may be told of.
    """
    photos: dict[str | None, dict[str, int]] = {}
    tallies: dict[str | None, Tally] = {}
    for part in sums:
        counts = photos.setdefault(part["group"], dict.fromkeys(PHOTO_COUNTS, 0))
        for name in PHOTO_COUNTS:
            counts[name] += part[name]
        tallies.setdefault(part["group"], Tally()).merge(Tally.from_dict(part["tally"]))
    names = sorted(photos, key=lambda name: (name is None, name or ""))
    return [_row(name, photos[name], tallies[name], info, smallest) for name in names]


def _row(
    name: str | None, photos: Mapping[str, int], tally: Tally, info: ModelInfo, smallest: SmallestGroup
) -> Mapping[str, Any]:
    row: dict[str, Any] = {**dict.fromkeys(GROUP_COLUMNS), "group": name, "photos": photos["photos"]}
    if not smallest.allows(tally.counted):
        return {**row, "withheld": True}
    group = estimate(tally, info)
    counts = {name: value for name, value in asdict(group).items() if name in (*GROUP_COUNTS, "corrected")}
    answers = {f"count_{name}": count for name, count in smallest.counts(tally.by_expression).items()}
    return {**row, "withheld": False, "failed": photos["failed"], **counts, **share_cells(group), **answers}
