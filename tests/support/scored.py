"""Scored tables of made-up photos, in the layout of ``docs/reference/scored-tables.md``: for queries, not for accuracy."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsrfer.labels import EXPRESSIONS
from fsrfer.scoring.schema import faces_schema, photos_schema

COMMON = dict(zip(EXPRESSIONS, (0.12, 0.02, 0.008, 0.26, 0.12, 0.09, 0.382), strict=True))
"""How often each is seen: what is left of a face's probabilities is shared out so, or the rare ones would look frequent."""

PLACES, HOURS, PHOTOS_EACH, FACES_EACH = ("hall", "yard"), (9, 10, 11), 8, 5


def write_scored(folder: Path) -> Path:
    """Two places, three hours, eight photos each of five faces; of the last photo of each a file that is no picture, of the one
    before no face. More people smile in the yard, and from hour to hour."""
    rng = np.random.default_rng(0)
    photos, faces = [], []
    for place in PLACES:
        for hour in HOURS:
            for _ in range(PHOTOS_EACH):
                photos.append(_photo(len(photos), place, hour))
                faces += _faces(photos[-1], 0.3 + 0.1 * (hour - 9) + 0.2 * (place == "yard"), rng)
    carried = pa.schema([("place", pa.string()), ("hour", pa.int64())])
    schemas = {"photos": photos_schema(carried), "faces": faces_schema()}
    for name, rows in (("photos", photos), ("faces", faces)):
        half = len(rows) // 2
        for part, some in enumerate((rows[:half], rows[half:])):
            path = folder / name / f"part-{part}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(some, schemas[name]), path, compression="zstd")
    return folder


def _photo(number: int, place: str, hour: int) -> dict[str, object]:
    kind = number % PHOTOS_EACH
    broken, empty = kind == PHOTOS_EACH - 1, kind == PHOTOS_EACH - 2
    return {
        "photo": number, "path": f"/archive/{place}/{number:04}.jpg", "member": None, "offset": None,
        "width": None if broken else 1920, "height": None if broken else 1080,
        "faces": 0 if broken or empty else FACES_EACH, "too_small": 0 if broken or empty else 1,
        "error": f"{number:04}.jpg: cannot be decoded" if broken else None,
        "seconds": 0.01 if broken else 0.2 + 0.01 * number, "place": place, "hour": hour,
    }  # fmt: skip


def _faces(photo: dict[str, object], smiling: float, rng: np.random.Generator) -> list[dict[str, object]]:
    rows = []
    for number in range(int(str(photo["faces"]))):
        winner = "happiness" if rng.random() < smiling else "neutral"
        probability, height = float(rng.uniform(0.6, 0.97)), 5.0 if number == FACES_EACH - 1 else 20.0 + 8 * number
        left = 1 - COMMON[winner]
        rows.append({
            "photo": photo["photo"], "face": number, "x1": 0.0, "y1": 0.0, "x2": height, "y2": height,
            "detection_score": 0.9, "size_px": height, "effective_px": height * 0.8, "expression": winner,
            "probability": probability, "certain": probability > 0.85 and height > 6, "legible": 0.9,
            "too_small": height < 6, **{
                name: probability if name == winner else (1 - probability) * COMMON[name] / left for name in EXPRESSIONS
            },
        })  # fmt: skip
    return rows
