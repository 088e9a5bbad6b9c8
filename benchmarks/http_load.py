"""Clients for `serving.py`: light ones, since they run on the processors of the service that they measure."""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Load:
    """What some clients saw.

    Attributes:
        seconds: that they asked for.
        latencies: seconds from each request to its answer of 200.
        others: how many answers of each other status; 0 counts connections that broke or were silent.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    others: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers of 200 a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Of the latencies, in seconds; 0 without any."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def note(self, status: int, seconds: float) -> None:
        """Count an answer."""
        if status == 200:
            self.latencies.append(seconds)
        else:
            self.others[status] = self.others.get(status, 0) + 1


def request_of(photo: bytes) -> bytes:
    """A photo as a form with one file, head and body."""
    boundary = "b7f3a9"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
    body = f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + photo + f"\r\n--{boundary}--\r\n".encode()
    return (
        "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(port: int, request: bytes, patience: float = 90.0) -> int:
    """The status of an answer; 0 where the connection breaks, or nothing is answered in time."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                told = await reader.read()
            finally:
                writer.close()
        return int(told[9:12])
    except (OSError, TimeoutError, ValueError):
        return 0


async def closed_loop(port: int, request: bytes, clients: int, seconds: float) -> Load:
    """So many clients, each asks again as soon as it is answered (or a second after it was told that all is full)."""
    load, began = Load(), time.perf_counter()

    async def client() -> None:
        while (asked := time.perf_counter()) - began < seconds:
            status = await ask(port, request)
            load.note(status, time.perf_counter() - asked)
            if status != 200:
                await asyncio.sleep(1)

    await asyncio.gather(*(client() for _ in range(clients)))
    load.seconds = time.perf_counter() - began
    return load


async def open_loop(port: int, request: bytes, rate: float, seconds: float) -> Load:
    """So many requests a second, whether the ones before are answered or not."""
    load, began, asked = Load(), time.perf_counter(), set[asyncio.Task[None]]()

    async def one() -> None:
        moment = time.perf_counter()
        load.note(await ask(port, request), time.perf_counter() - moment)

    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        asked.add(asyncio.create_task(one()))
    await asyncio.gather(*asked)
    load.seconds = time.perf_counter() - began
    return load
