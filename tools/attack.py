"""``python tools/attack.py``: a running service among hostile clients; what each attack did to it, and to a client beside it.

Run with ``make attack``. Ends with 1 if an answer came that no client may get, or something did not come back to rest.
"""

import argparse
import asyncio
import collections
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fuzzing import uploads
from fuzzing.mutation import mutated
from http_load import ask, closed_loop, request_of
from service_process import Server, service

EXPECTED = {200, 400, 404, 408, 413, 415, 422, 503}
"""Answers that clients may get."""

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

CLIENTS = 200
"""Of a flood, and connections that are held."""

LONGEST_HELD = 45.0
"""Seconds in which the service must have got rid of a connection that does nothing: a body has 30."""

HELD = ("fsrfer_requests_under_way", "fsrfer_upload_bytes_held", "fsrfer_live_sessions")
"""Figures that should be 0 when nobody asks for anything."""

WHOLE = 50
"""Every so many damaged pictures there is a whole one, which must be answered all the same."""

Told = dict[str, Any]


def main() -> int:
    """Attack, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000, metavar="N", help="damaged ones (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the damage (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS), help="(all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save what was seen there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        limits = ["--max-megapixels", "2", "--max-upload", "2", "--model", "fast", "--detector", "fast"]
        with service(*limits, HOME=home, TMPDIR=home) as server:
            told = asyncio.run(attacked(server, options))
        told["files written"] = sorted(path.name for path in Path(home).iterdir())
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    wrong = wrongs(told)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


async def attacked(server: Server, options: argparse.Namespace) -> Told:
    """All attacks one after another."""
    photo = picture()
    await closed_loop(server.port, request_of(photo), 8, 5)  # whatever is kept for good is there by now
    told: Told = {"before": at_rest(server)}
    for name in options.only:
        began = time.perf_counter()
        with a_client_beside(server) as beside:
            seen = await ATTACKS[name](server, photo, options)
        told[name] = {**seen, **beside(), "seconds": round(time.perf_counter() - began, 1)}
        print(name, json.dumps(told[name]), flush=True)
    await asyncio.sleep(1)
    told["after"] = {**at_rest(server), "held": await figures(server.port, *HELD)}
    print(json.dumps({"before": told["before"], "after": told["after"]}))
    return told


def wrongs(told: Told) -> list[str]:
    """What no service may do."""
    lines = [f"files were written: {told['files written']}"] if told["files written"] else []
    if any(told["after"]["held"].values()):
        lines.append(f"something is still held: {told['after']['held']}")
    if told["after"]["descriptors"] > told["before"]["descriptors"] + 5:
        lines.append("descriptors stay open")
    for name in ATTACKS:
        seen = told.get(name, {})
        unexpected = {status: count for status, count in seen.get("statuses", {}).items() if status not in EXPECTED}
        if unexpected:
            lines.append(f"{name}: answers {unexpected}")
        if seen.get("left open"):
            lines.append(f"{name}: {seen['left open']} connections were left open")
        if seen.get("whole refused"):
            lines.append(f"{name}: {seen['whole refused']} whole pictures were refused")
        if seen.get("longest silence", 0) > 5:
            lines.append(f"{name}: /healthz was silent for {seen['longest silence']} s")
    return lines


def at_rest(server: Server) -> Told:
    """What the service takes."""
    memory = [round(server.memory([pid])) for pid in server.family()]
    return {"memory_mib": memory, "descriptors": server.files(), "processes": len(server.family())}


async def figures(port: int, *names: str) -> dict[str, float]:
    """What the service counts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(METRICS)
    lines = (await reader.read()).decode().splitlines()
    writer.close()
    return {words[0]: float(words[1]) for line in lines if (words := line.split()) and words[0] in names}


@contextmanager
def a_client_beside(server: Server) -> Iterator[Callable[[], Told]]:
    """Somebody who asks whether the service runs, all the time."""
    waits = [0.0]

    async def look() -> None:
        while True:
            began = time.perf_counter()
            status = await ask(server.port, HEALTH, 10)
            waits.append(time.perf_counter() - began if status == 200 else 99.0)
            await asyncio.sleep(0.2)

    looking = asyncio.ensure_future(look())
    try:
        yield lambda: {"longest silence": round(max(waits), 2)}
    finally:
        looking.cancel()


async def flood(server: Server, photo: bytes, _options: argparse.Namespace) -> Told:
    """200 clients at once, who ask again as soon as they are answered."""
    load = await closed_loop(server.port, request_of(photo), CLIENTS, 20)
    return {"statuses": {200: len(load.latencies), **load.others}, "p99": round(load.quantile(0.99), 2)}


async def slow_loris(server: Server, _photo: bytes, _options: argparse.Namespace) -> Told:
    """Heads that trickle."""
    return await holding(server, lambda: HEAD, b"x")


async def half_open(server: Server, _photo: bytes, _options: argparse.Namespace) -> Told:
    """Bodies that never come, some announced, some in chunks, some after an answer."""
    kinds = [
        HEAD + b"Content-Length: 1000\r\n\r\n\xff\xd8",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
        b"",
    ]
    return await holding(server, lambda: random.choice(kinds), b"")  # noqa: S311 (no secret)


async def holding(server: Server, beginning: Callable[[], bytes], trickle: bytes) -> Told:
    """Connections that are held open as long as the service lets them; how many were left."""

    async def hold() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        began = time.perf_counter()
        try:
            writer.write(beginning())
            closing = asyncio.ensure_future(until_closed(reader))
            while not closing.done() and time.perf_counter() - began < LONGEST_HELD:
                if trickle:
                    writer.write(trickle)
                await asyncio.wait([closing], timeout=1)
            return time.perf_counter() - began if closing.done() else float("inf")
        finally:
            closing.cancel()
            writer.close()

    seconds = await asyncio.gather(*(hold() for _ in range(CLIENTS)))
    closed = [value for value in seconds if value < float("inf")]
    longest = round(max(closed, default=0.0), 1)
    return {"connections": CLIENTS, "left open": len(seconds) - len(closed), "longest held": longest}


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Read what is answered, to its end."""
    try:
        await reader.read()
    except OSError:
        return


async def oversized(server: Server, _photo: bytes, _options: argparse.Namespace) -> Told:
    """Heads and bodies beyond every limit."""
    parts = b"--b\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\nx\r\n" * 5_000
    form = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    requests = [
        HEAD + b"Content-Length: 99999999999\r\n\r\n\xff\xd8\xff",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 200,
        HEAD + b"Content-Length: 12000000\r\n\r\n" + bytes(12_000_000),
        HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
        form + b"Content-Length: %d\r\n\r\n" % len(parts) + parts,
        form + b"Content-Length: 1000100\r\n\r\n--b\r\n" + b"A" * 1_000_095,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
    statuses: collections.Counter[int] = collections.Counter()
    for _ in range(10):
        statuses.update(await asyncio.gather(*(ask(server.port, request) for request in requests)))
    # Who still sends when it is refused may see its connection end before it reads why.
    return {"answers": dict(statuses), "statuses": {code: count for code, count in statuses.items() if code}}


async def damaged(server: Server, photo: bytes, options: argparse.Namespace) -> Told:
    """Pictures and forms cut off, flipped, spliced; bombs; files of two kinds; among them whole ones."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = uploads.seeds(Path(folder))
    statuses: collections.Counter[int] = collections.Counter()
    numbers = iter(range(options.pictures))
    longest, refused = 0.0, 0
    lost = await figures(server.port, "fsrfer_workers_lost")

    async def client() -> None:
        nonlocal longest, refused
        for number in numbers:
            rng = random.Random(f"attack/{options.seed}/{number}")  # noqa: S311 (no secret)
            began = time.perf_counter()
            status = await ask(server.port, upload(mutated(seeds, rng)))
            longest = max(longest, time.perf_counter() - began)
            statuses[status] += 1
            if status not in EXPECTED:
                print(f"input {number} of seed {options.seed}: {status}", flush=True)
            if number % WHOLE == 0:
                refused += await ask(server.port, request_of(photo)) != 200

    await asyncio.gather(*(client() for _ in range(4)))
    died = (await figures(server.port, *lost))["fsrfer_workers_lost"] - lost["fsrfer_workers_lost"]
    return {"statuses": dict(statuses), "longest": round(longest, 2), "whole refused": refused, "workers died": died}


def upload(data: bytes) -> bytes:
    """A request that sends some bytes."""
    kind = f"multipart/form-data; boundary={uploads.BOUNDARY}" if data.startswith(b"--") else "image/jpeg"
    route = "classify" if len(data) % 4 == 0 else "predict"
    head = f"POST /v1/{route} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


async def killed_workers(server: Server, photo: bytes, _options: argparse.Namespace) -> Told:
    """Decoders that are killed while eight clients ask."""
    kills = 0

    async def kill() -> None:
        nonlocal kills
        while True:
            workers = server.family()[1:]
            os.kill(random.choice(workers), signal.SIGKILL)  # noqa: S311 (no secret)
            kills += 1
            await asyncio.sleep(1)
            while len(server.family()) <= len(workers):  # until another has its place
                await asyncio.sleep(0.2)
            await asyncio.sleep(1)

    killing = asyncio.ensure_future(kill())
    load = await closed_loop(server.port, request_of(photo), 8, 20)
    killing.cancel()
    await asyncio.sleep(10)  # new ones take their time
    return {"statuses": {200: len(load.latencies), **load.others}, "kills": kills, "workers": len(server.family()) - 1}


def picture() -> bytes:
    """A photo of one face where matplotlib has it, within the limits."""
    import io

    from PIL import Image

    from fsrfer.cli.demo import bundled_portrait

    buffer = io.BytesIO()
    with Image.open(bundled_portrait()) as portrait:
        portrait.convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


ATTACKS: dict[str, Callable[[Server, bytes, argparse.Namespace], Awaitable[Told]]] = {
    "flood": flood,
    "slow-loris": slow_loris,
    "half-open": half_open,
    "oversized": oversized,
    "killed-workers": killed_workers,
    "damaged": damaged,
}


if __name__ == "__main__":
    sys.exit(main())
