"""``fsrfer serve`` under load: requests a second and latency by concurrency, beside a plain loop and what people write.

Run ``python benchmarks/serving.py --help``. Photos are made of a portrait of matplotlib unless some are given.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from fsrfer import Recognizer
from fsrfer.cli.demo import bundled_portrait
from fsrfer.files import write_text
from fsrfer.recognition.runtime import granted_processors
from http_load import Load, ask, closed_loop, open_loop, request_of
from measuring import processor, run
from service_process import Server, service

HERE = Path(__file__).parent

LOOP_CLIENTS = 8
"""Clients of the service whose throughput is held against the loop's."""

OVERLOAD = 2.0
"""Times the rate that the service can keep up."""

EVERY = 5.0
"""Seconds between two looks at the memory."""


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        photo: its name; faces: found in it.
        what: was measured.
        clients: at once.
        rate: photos answered a second.
        p50, p99: of the latency, in seconds; null for a loop.
        others: how many answers of each other status.
        processor_seconds: that a photo takes of all processes.
    """

    photo: str
    faces: int
    what: str
    clients: int
    rate: float
    p50: float | None = None
    p99: float | None = None
    others: dict[int, int] | None = None
    processor_seconds: float | None = None


def main() -> int:
    """Measure, print, and save what was asked for."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        photos = options.photos or [made_photo(Path(folder), faces) for faces in options.faces]
        content = MEASURES[options.what](photos, options)
    if options.json:
        kept = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {}
        kept.setdefault(options.what, {}).update(content)
        told = json.dumps({"machine": machine(), **kept}, indent=2)
        write_text(options.json, told + "\n")
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The service under load, beside a plain loop.")
    parser.add_argument(
        "what", choices=MEASURES, help="requests a second, twice the load it can keep up, or a long time"
    )
    parser.add_argument("--photos", nargs="+", type=Path, help="(made of a portrait)")
    parser.add_argument("--faces", nargs="+", type=int, default=[1, 30], metavar="N", help="in made photos (1 30)")
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8, 64], metavar="N", help="clients at once")
    parser.add_argument("--seconds", type=float, default=15, help="of each figure, or of the whole soak (%(default)g)")
    parser.add_argument("--no-peer", action="store_true", help="leave out plain_service.py")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save figures there, beside others that it holds")
    return parser.parse_args()


def made_photo(folder: Path, faces: int) -> Path:
    """A portrait, or a photo of many people: the same portrait side by side, small."""
    with Image.open(bundled_portrait()) as portrait:
        face = portrait.convert("RGB")
    picture = face
    if faces > 1:
        small = face.resize((320, round(320 * face.height / face.width)))
        picture = Image.new("RGB", (6 * small.width, -(-faces // 6) * small.height))
        for place in range(faces):
            picture.paste(small, (place % 6 * small.width, place // 6 * small.height))
    path = folder / f"faces-{faces}.jpg"
    picture.save(path, quality=90)
    return path


def under_load(photos: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """Every photo by concurrency; the result by photo."""
    told = {}
    for photo in photos:
        rows = []
        for row in measured(photo, len(Recognizer().predict(photo).faces), options):
            print(json.dumps(asdict(row)), flush=True)
            rows.append(row)
        Console(width=110).print(as_table(rows))
        told[photo.name] = {"rows": [asdict(row) for row in rows], "over the loop": ratios(rows)}
        print(json.dumps(told[photo.name]["over the loop"]))
    return told


def measured(photo: Path, faces: int, options: argparse.Namespace) -> Iterator[Row]:
    """Loop, service and peer with one photo."""
    request, name = request_of(photo.read_bytes()), photo.name
    for threads, what in ((1, "loop, 1 thread"), (0, "loop")):
        seen = looped(photo, threads, options.seconds)
        yield Row(name, faces, what, 1, seen["rate"], processor_seconds=seen["processor_seconds"])
    servers = {"fsrfer serve": service} | ({} if options.no_peer else {"plain_service.py": peer})
    for what, start in servers.items():
        with start() as server:
            asyncio.run(closed_loop(server.port, request, 2, 3))
            for clients in options.concurrency:
                load, cost = loaded(server, request, clients, options.seconds)
                yield row_of(name, faces, what, clients, load, cost)


def loaded(server: Server, request: bytes, clients: int, seconds: float) -> tuple[Load, float]:
    """What so many clients saw, and the processor seconds that the server took for it."""
    before = server.worked()
    load = asyncio.run(closed_loop(server.port, request, clients, seconds))
    return load, server.worked() - before


def row_of(photo: str, faces: int, what: str, clients: int, load: Load, cost: float) -> Row:
    """A line about some clients."""
    each = cost / max(1, len(load.latencies))
    return Row(photo, faces, what, clients, load.rate, load.quantile(0.5), load.quantile(0.99), load.others, each)


def looped(photo: Path, threads: int, seconds: float) -> dict[str, float]:
    """The plain loop, in a process of its own."""
    command = [sys.executable, str(HERE / "plain_loop.py"), str(seconds), str(threads), str(photo)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def overload(photos: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """Twice the rate that can be kept up with the first photo: what becomes of the requests, and of the memory."""
    request, seconds = request_of(photos[0].read_bytes()), options.seconds
    with service() as server:
        sustained = asyncio.run(closed_loop(server.port, request, LOOP_CLIENTS, seconds)).rate
        asyncio.run(
            closed_loop(server.port, request, 200, 5)
        )  # as many as it lets in at once: what that takes, it keeps
        with memory_of(server) as seen:
            load = asyncio.run(open_loop(server.port, request, OVERLOAD * sustained, 4 * seconds))
        lost = load.others.get(0, 0) + load.others.get(504, 0)
        told = {
            "photo": photos[0].name,
            "sustained_rate": sustained,
            "asked_rate": OVERLOAD * sustained,
            "answered": len(load.latencies),
            "rate": load.rate,
            "p50": load.quantile(0.5),
            "p99": load.quantile(0.99),
            "others": load.others,
            "lost": lost,
            "memory_mib": [round(value) for value in seen],
        }
    print(json.dumps(told))
    return told


def soak(photos: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """All photos from eight clients for long: latency and memory by tenths of the time."""
    requests, seconds = [request_of(photo.read_bytes()) for photo in photos], options.seconds
    tenths: list[dict[str, Any]] = []
    with service() as server:
        for _ in range(10):
            loads = asyncio.run(several(server.port, requests, seconds / 10))
            latencies = [second for load in loads for second in load.latencies]
            whole = Load(seconds / 10, latencies)
            others: dict[int, int] = {}
            for load in loads:
                for status, count in load.others.items():
                    others[status] = others.get(status, 0) + count
            told = {"answered": len(latencies), "p50": whole.quantile(0.5), "p99": whole.quantile(0.99)}
            tenths.append({**told, "others": others, "memory_mib": round(server.memory())})
            print(json.dumps(tenths[-1]), flush=True)
    return {"seconds": seconds, "clients": LOOP_CLIENTS, "photos": [photo.name for photo in photos], "tenths": tenths}


async def several(port: int, requests: list[bytes], seconds: float) -> list[Load]:
    """Eight clients, shared among the photos."""
    clients = LOOP_CLIENTS // len(requests)
    return await asyncio.gather(*(closed_loop(port, request, clients, seconds) for request in requests))


@contextmanager
def memory_of(server: Server) -> Iterator[list[float]]:
    """Within the block a server's memory is looked at from time to time."""
    seen, ended = [server.memory()], threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            seen.append(server.memory())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        ended.set()
        looking.join()
        seen.append(server.memory())


@contextmanager
def peer() -> Iterator[Server]:
    """``plain_service.py``, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(HERE / "plain_service.py"), str(port)]
    with subprocess.Popen(command, text=True) as process:
        try:
            while asyncio.run(ask(port, b"GET /docs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) != 200:
                time.sleep(0.2)
            yield Server(process, port)
        finally:
            process.terminate()


def ratios(rows: list[Row]) -> dict[str, dict[str, float]]:
    """The service at eight clients over the loop, for each photo: throughput, and photos a processor second.

    The second holds on a machine that does other work too.
    """
    told: dict[str, dict[str, float]] = {}
    for row in rows:
        ours = [one for one in rows if (one.photo, one.what, one.clients) == (row.photo, "fsrfer serve", LOOP_CLIENTS)]
        if row.what.startswith("loop") and ours and row.processor_seconds and ours[0].processor_seconds:
            told[f"{row.photo}, over {row.what}"] = {
                "throughput": round(ours[0].rate / row.rate, 3),
                "photos a processor second": round(row.processor_seconds / ours[0].processor_seconds, 3),
            }
    return told


def as_table(rows: list[Row]) -> Table:
    """All figures for people."""
    table = Table("photo", "faces", "what", "clients", "photos/s", "p50 ms", "p99 ms", "other answers", "CPU s/photo")
    for row in rows:
        times = ["" if value is None else f"{1000 * value:.0f}" for value in (row.p50, row.p99)]
        cost = "" if row.processor_seconds is None else f"{row.processor_seconds:.3f}"
        others = ", ".join(f"{count} x {status}" for status, count in (row.others or {}).items())
        told = [row.photo, str(row.faces), row.what, str(row.clients), f"{row.rate:.2f}", *times, others, cost]
        table.add_row(*told)
    return table


MEASURES: dict[str, Callable[[list[Path], argparse.Namespace], dict[str, Any]]] = {
    "load": under_load,
    "overload": overload,
    "soak": soak,
}


def machine() -> dict[str, object]:
    """What the figures depend on."""
    packages = {name: metadata.version(name) for name in ("onnxruntime", "fastapi", "uvicorn", "pillow")}
    return {"processor": processor(), "processors": granted_processors(), **packages}


if __name__ == "__main__":
    run(main)
