"""A service in a process of its own, as users run it."""

import json
import os
import socket
import subprocess
import sys
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
        process: its own; its lines of log are in ``stderr`` from the second on.
        port: that it listens at.
    """

    process: subprocess.Popen[str]
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
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, json.dumps({"port": 0, "workers": 1, **settings})],
        cwd=folder,
        env=surroundings,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        yield Served(process, json.loads(first)["port"])
    finally:
        process.kill()
        process.communicate()
