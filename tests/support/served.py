"""A service in a process of its own, as users run it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

CLIENT = httpx2.Client(
    timeout=30, trust_env=False, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0)
)
"""Making one takes long; it may be used by many threads."""

_CODE = """
import json, sys
from fsrfer.serving import server
from fsrfer.serving.settings import ServiceSettings
server.run(ServiceSettings(**json.loads(sys.argv[1])))
"""


@dataclass
class Served:
    """A service that runs.

    Attributes:
        process: its own; its log lies beside its folder.
        port: that it listens at.
    """

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, seconds: float = 10.0) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def workers(self) -> list[int]:
        """Numbers of its worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def figure(self, name: str) -> float:
        """One of its figures."""
        lines = CLIENT.get(f"{self.url}/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(name + " ")).rpartition(" ")[2])


@contextmanager
def served(folder: Path, **settings: object) -> Iterator[Served]:
    """A service at a free port, whose home and folder for temporary files is an empty one; killed at the end."""
    folder.mkdir(exist_ok=True)
    surroundings = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    log = folder.with_name(folder.name + ".log")
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, json.dumps({"port": 0, "workers": 1, **settings})],
        cwd=folder,
        env=surroundings,
        stderr=log.open("w"),
    )
    try:
        while process.poll() is None and not log.read_text().endswith("\n"):
            time.sleep(0.05)
        yield Served(process, json.loads(log.read_text().splitlines()[0])["port"])
    finally:
        process.kill()
        process.wait()
