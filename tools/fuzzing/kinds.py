"""The kinds of input that are fuzzed, each with its whole seeds, what is done with a damaged one, and how many by default."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzzing import models, pictures, texts, uploads, videos


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of input.

    Attributes:
        seeds: whole inputs, made with the help of a folder.
        attempt: gives a damaged one (and a path to write it to) to the package.
        suffix: of a failing input that is kept.
        count: how many are tried unless the user says otherwise.
    """

    seeds: Callable[[Path], list[bytes]]
    attempt: Callable[[bytes, Path], None]
    suffix: str
    count: int


KINDS = {
    "pictures": Kind(pictures.seeds, pictures.attempt, pictures.SUFFIX, 10_000),
    "uploads": Kind(uploads.seeds, uploads.attempt, uploads.SUFFIX, 10_000),
    "videos": Kind(videos.seeds, videos.attempt, videos.SUFFIX, 2_000),
    "models": Kind(models.seeds, models.attempt, models.SUFFIX, 500),
    "boxes": Kind(texts.box_seeds, texts.attempt_boxes, ".boxes", 2_000),
    "recipes": Kind(texts.recipe_seeds, texts.attempt_recipe, ".toml", 1_000),
    "tables": Kind(texts.table_seeds, texts.attempt_table, ".table", 2_000),
}
