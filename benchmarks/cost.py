"""What an archive of photos costs: processor time, storage and money, from measured parts.

    python benchmarks/cost.py --photos 1e6
    python benchmarks/cost.py --measure crowd.jpg --json docs/results/cost-parts.json

The first prints the arithmetic, from the parts in ``docs/results/cost-parts.json`` and assumptions that can all be given; the
second measures the parts on this machine, with one thread.
"""

import argparse
import io
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from fsrfer import Recognizer
from fsrfer.images import decode_rgb, load_rgb
from fsrfer.recognition.detection import PRESETS, Detector
from fsrfer.recognition.model import bundled_models
from fsrfer.scoring.schema import faces_schema, photos_schema
from measuring import processor, random_picture, run

PARTS = Path(__file__).parents[1] / "docs" / "results" / "cost-parts.json"

MEGAPIXELS = (2, 6, 12)
FACES = 64
ROWS = 100_000
REPEAT = 3


@dataclass(frozen=True, slots=True)
class Archive:
    """What is to be scored, and where.

    Attributes:
        photos: how many.
        megapixels, megabytes, faces: of each, on average.
        detector, model: by name.
        processors: of one machine, as its maker counts and sells them.
        efficiency: share of the time of a lone process's throughput that each of many processes gets.
        processor_hour, gigabyte_month, thousand_requests: prices.
        network: of one machine, in megabytes a second.
    """

    photos: float
    megapixels: float
    megabytes: float
    faces: float
    detector: str
    model: str
    processors: int
    efficiency: float
    processor_hour: float
    gigabyte_month: float
    thousand_requests: float
    network: float


def main() -> None:
    """Measure the parts, or print what they come to."""
    options = vars(arguments())
    measured, target, parts, several = (options.pop(name) for name in ("measure", "json", "parts", "scenarios"))
    if measured is not None:
        text = json.dumps({"command": sys.argv, **measure(measured)}, indent=1) + "\n"
        print(text)
        if target:
            target.write_text(text, encoding="utf-8")
        return
    archive, known = Archive(**options), json.loads(parts.read_text(encoding="utf-8"))
    print("\n".join(scenarios(archive, known) if several else told(archive, known)))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What an archive of photos costs.")
    parser.add_argument(
        "--measure", type=Path, metavar="PHOTO", help="measure the parts on this photo of a group instead"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="with --measure: keep them there")
    parser.add_argument("--parts", type=Path, default=PARTS, metavar="FILE", help="measured parts (%(default)s)")
    parser.add_argument("--scenarios", action="store_true", help="where the time goes, for several kinds of photos")
    parser.add_argument("--photos", type=float, default=1e6, metavar="N")
    for name, default, told in (
        ("megapixels", 12.0, "of a photo"),
        ("megabytes", 3.5, "of a photo's file"),
        ("faces", 5.0, "of a photo"),
        ("efficiency", 0.9, "of many processes, against one alone"),
        ("processor-hour", 0.045, "price of a processor of a rented machine for an hour"),
        ("gigabyte-month", 0.023, "price of a gigabyte in a store for a month"),
        ("thousand-requests", 0.0004, "price of a thousand reads of a store"),
        ("network", 1500.0, "megabytes a second that a machine reads from a store"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{told} (%(default)g)")
    parser.add_argument("--processors", type=int, default=16, help="of a machine (%(default)s)")
    parser.add_argument("--detector", choices=PRESETS, default="default")
    parser.add_argument("--model", choices=bundled_models(), default="default")
    return parser.parse_args()


def told(archive: Archive, parts: Mapping[str, Any]) -> list[str]:
    """The arithmetic, line by line."""
    seconds = seconds_a_photo(archive, parts)
    whole = sum(seconds.values())
    hours = archive.photos * whole / archive.efficiency / 3600
    tables = archive.photos * (parts["bytes_a_photo_row"] + archive.faces * parts["bytes_a_face_row"]) / 1e9
    rate = archive.processors * archive.efficiency / whole
    pictures = archive.photos * archive.megabytes / 1e3
    needed = rate * archive.megabytes
    return [
        f"{archive.photos:,.0f} photos of {archive.megapixels:g} megapixels, {archive.megabytes:g} MB, "
        f"{archive.faces:g} faces; detector {archive.detector}, model {archive.model}",
        f"measured on {parts['processor']}, one thread",
        "",
        f"{'part':12} {'ms a photo':>10} {'share':>6}",
        *(f"{name:12} {1000 * value:10.1f} {value / whole:6.0%}" for name, value in seconds.items()),
        f"{'together':12} {1000 * whole:10.1f}",
        "",
        f"processor-hours   {hours:,.0f} = photos x {whole:.3f} s / {archive.efficiency:g} / 3600",
        f"days              {hours / 24 / archive.processors:,.1f} on one machine of {archive.processors} processors",
        f"processors        {archive.processor_hour * hours:,.0f} at {archive.processor_hour:g} an hour",
        f"reading           {archive.photos * archive.thousand_requests / 1000:,.1f} at {archive.thousand_requests:g} a 1000",
        f"photos            {pictures:,.0f} GB, {pictures * archive.gigabyte_month:,.0f} a month",
        f"tables            {tables:,.2f} GB, {tables * archive.gigabyte_month:,.2f} a month",
        f"a machine reads   {needed:,.0f} MB/s for {rate:,.0f} photos a second; {limit(needed, archive)}",
    ]


def scenarios(archive: Archive, parts: Mapping[str, Any]) -> list[str]:
    """A row of a table for each kind of photo: where its time goes, and what a machine then reads."""
    kinds = [
        (megapixels, megabytes, faces, name)
        for megapixels, megabytes, faces in ((2, 0.6, 1), (12, 3.5, 0), (12, 3.5, 5), (12, 3.5, 100))
        for name in ("default", "fast")
    ]
    lines = [
        "| photo | detector and model | ms | decode | detect | recognise | write rows | MB/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for megapixels, megabytes, faces, name in kinds:
        one = replace(archive, megapixels=megapixels, megabytes=megabytes, faces=faces, detector=name, model=name)
        seconds = seconds_a_photo(one, parts)
        whole = sum(seconds.values())
        shares = " | ".join(f"{value / whole:.0%}" for value in seconds.values())
        read = one.processors * one.efficiency / whole * megabytes
        lines.append(f"| {megapixels} MP, {faces} faces | `{name}` | {1000 * whole:,.0f} | {shares} | {read:,.0f} |")
    return lines


def seconds_a_photo(archive: Archive, parts: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of one processor for each part of a photo."""

    def at_size(values: Mapping[str, float]) -> float:
        sizes = [float(size) for size in values]
        return float(np.interp(archive.megapixels, sizes, [*values.values()])) * max(
            1.0, archive.megapixels / sizes[-1]
        )

    rows = parts["seconds_a_photo_row"] + archive.faces * parts["seconds_a_face_row"]
    return {
        "decode": at_size(parts["decode_seconds"]),
        "detect": at_size(parts["detect_seconds"][archive.detector]),
        "recognise": archive.faces * parts["seconds_a_face"][archive.model],
        "write rows": rows,
    }


def limit(needed: float, archive: Archive) -> str:
    """Whether processors or the network are short."""
    if needed <= archive.network:
        return (
            f"the network ({archive.network:g} MB/s) would do for {archive.network / needed:.1f} times the processors"
        )
    return f"the network ({archive.network:g} MB/s) is short: only {archive.network / needed:.0%} of the processors are busy"


def measure(path: Path) -> dict[str, Any]:
    """Every part, on a photo of a group brought to several sizes."""
    photo = Image.fromarray(load_rgb(path))
    decode: dict[str, float] = {}
    detect: dict[str, dict[str, float]] = {preset: {} for preset in PRESETS}
    detectors = {preset: Detector(preset, threads=1) for preset in PRESETS}
    faces: dict[str, int] = {}
    for size in MEGAPIXELS:
        scale = (size * 1e6 / (photo.width * photo.height)) ** 0.5
        data = io.BytesIO()
        photo.resize((round(photo.width * scale), round(photo.height * scale))).save(data, "JPEG", quality=90)
        decode[str(size)] = seconds_of(partial(decode_rgb, data.getvalue(), "photo"))
        rgb = decode_rgb(data.getvalue(), "photo")
        faces[str(size)] = len(detectors["default"].detect(rgb).boxes)
        for preset, detector in detectors.items():
            detect[preset][str(size)] = seconds_of(partial(detector.detect, rgb))
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "photo": f"{path.name}, {faces} faces found by megapixels",
        "decode_seconds": decode,
        "detect_seconds": detect,
        "seconds_a_face": {name: seconds_a_face(name) for name in bundled_models()},
        **rows(),
    }


def seconds_a_face(model: str) -> float:
    """In batches of 64, from crops in memory to answers."""
    recognizer = Recognizer(model, threads=1)
    rng = np.random.default_rng(0)
    crops = [random_picture(rng, 48, 48) for _ in range(FACES)]
    return seconds_of(partial(recognizer.classify, crops)) / FACES


def rows() -> dict[str, float]:
    """Seconds and bytes of a row of each table: numbers at random, which compress worse than real ones."""
    rng = np.random.default_rng(0)
    told = {}
    for name, schema in (("face", faces_schema()), ("photo", photos_schema(pa.schema([("place", pa.string())])))):
        table = pa.table([random_column(field.name, field.type, rng) for field in schema], schema)
        with tempfile.TemporaryDirectory(prefix="fsrfer-cost-") as folder:
            target = Path(folder, "rows.parquet")
            told[f"seconds_a_{name}_row"] = (
                seconds_of(partial(pq.write_table, table, target, compression="zstd")) / ROWS
            )
            told[f"bytes_a_{name}_row"] = round(target.stat().st_size / ROWS, 1)
    return told


def random_column(name: str, kind: Any, rng: np.random.Generator) -> Any:
    """Values as a run would have them, but at random."""
    if name in ("member", "offset", "error"):
        return pa.nulls(ROWS, kind)
    if name in ("expression", "place"):
        return pa.array(rng.choice(["happiness", "neutral", "sadness"], ROWS)).cast(kind)
    if pa.types.is_string(kind):
        return pa.array([f"/archive/2026/{number:04}/IMG_{number}.jpg" for number in rng.integers(0, 10**6, ROWS)])
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(ROWS) > 0.5)
    if pa.types.is_floating(kind):
        return pa.array(rng.random(ROWS).astype(np.float32))
    numbers = np.arange(ROWS) if name == "photo" else rng.integers(0, 10, ROWS)
    return pa.array(numbers).cast(kind)


def seconds_of(action: Callable[[], object]) -> float:
    """Processor seconds of one call, the median of a few after one that does not count."""
    action()
    values = []
    for _ in range(REPEAT):
        begun = time.process_time()
        action()
        values.append(time.process_time() - begun)
    return statistics.median(values)


if __name__ == "__main__":
    run(main)
