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
from collections.abc import Iterator
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
        photos = options.photos or made_photos(Path(folder))
        found = {photo: len(Recognizer().predict(photo).faces) for photo in photos}
        content: dict[str, Any] = {"command": sys.argv, "machine": machine()}
        if options.soak:
            content["soak"] = soak(photos, options.soak)
        else:
            rows = [row for photo in photos for row in measured(photo, found[photo], options)]
            content["results"] = [asdict(row) for row in rows]
            Console(width=110).print(as_table(rows))
            content["ratios"] = ratios(rows)
            if not options.no_overload:
                content["overload"] = overload(photos[0], options.seconds)
    print(json.dumps({name: value for name, value in content.items() if name != "results"}, indent=2))
    if options.json:
        kept = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {}
        options.json.write_text(json.dumps({**kept, **content}, indent=2) + "\n", encoding="utf-8")
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The service under load, beside a plain loop.")
    parser.add_argument("--photos", nargs="+", type=Path, help="(made: portraits with 1 and 30 faces)")
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8, 64], metavar="N", help="clients at once")
    parser.add_argument("--seconds", type=float, default=15, help="of each figure (%(default)g)")
    parser.add_argument("--rounds", type=int, default=1, help="of each figure; the median counts (%(default)s)")
    parser.add_argument("--no-peer", action="store_true", help="leave out plain_service.py")
    parser.add_argument("--no-overload", action="store_true", help="leave out twice the sustainable load")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="only this: clients without pause for so long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save figures there, beside others that it holds")
    return parser.parse_args()


def made_photos(folder: Path) -> list[Path]:
    """A portrait of one face, and a photo of 30: the same portrait 6 x 5 times."""
    with Image.open(bundled_portrait()) as portrait:
        face = portrait.convert("RGB")
    face.save(folder / "portrait.jpg", quality=90)
    small = face.resize((320, round(320 * face.height / face.width)))
    crowd = Image.new("RGB", (6 * small.width, 5 * small.height))
    for place in range(30):
        crowd.paste(small, (place % 6 * small.width, place // 6 * small.height))
    crowd.save(folder / "crowd.jpg", quality=90)
    return [folder / "portrait.jpg", folder / "crowd.jpg"]


def measured(photo: Path, faces: int, options: argparse.Namespace) -> Iterator[Row]:
    """Loop, service and peer with one photo, in turns."""
    rounds: dict[tuple[str, int], list[Row]] = {}
    for _ in range(options.rounds):
        for row in one_round(photo, faces, options):
            rounds.setdefault((row.what, row.clients), []).append(row)
    for rows in rounds.values():
        yield sorted(rows, key=lambda row: row.rate)[len(rows) // 2]


def one_round(photo: Path, faces: int, options: argparse.Namespace) -> Iterator[Row]:
    """Each figure once."""
    request, name = request_of(photo.read_bytes()), photo.name
    for threads, what in ((1, "loop, 1 thread"), (0, "loop")):
        yield Row(name, faces, what, 1, **looped(photo, threads, options.seconds))
    with service() as server:
        asyncio.run(closed_loop(server.port, request, 2, 3))
        for clients in options.concurrency:
            load, cost = loaded(server, request, clients, options.seconds)
            yield row_of(name, faces, "fsrfer serve", clients, load, cost)
    if not options.no_peer:
        with peer() as server:
            asyncio.run(closed_loop(server.port, request, 2, 3))
            for clients in options.concurrency:
                load, cost = loaded(server, request, clients, options.seconds)
                yield row_of(name, faces, "plain_service.py", clients, load, cost)


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


def overload(photo: Path, seconds: float) -> dict[str, Any]:
    """Twice the rate that can be kept up: what becomes of the requests, and of the memory."""
    request = request_of(photo.read_bytes())
    with service() as server:
        sustained = asyncio.run(closed_loop(server.port, request, LOOP_CLIENTS, seconds)).rate
        asyncio.run(
            closed_loop(server.port, request, 200, 5)
        )  # as many as it lets in at once: what that takes, it keeps
        with memory_of(server) as seen:
            load = asyncio.run(open_loop(server.port, request, OVERLOAD * sustained, 4 * seconds))
        lost = load.others.get(0, 0) + load.others.get(504, 0)
        return {
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


def soak(photos: list[Path], seconds: float) -> dict[str, Any]:
    """All photos from eight clients for long: latency and memory by tenths of the time."""
    requests = [request_of(photo.read_bytes()) for photo in photos]
    tenths = []
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
    told = {}
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


def machine() -> dict[str, object]:
    """What the figures depend on."""
    packages = {name: metadata.version(name) for name in ("onnxruntime", "fastapi", "uvicorn", "pillow")}
    return {"processor": processor(), "processors": granted_processors(), **packages}


if __name__ == "__main__":
    run(main)
