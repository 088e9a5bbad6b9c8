"""``fsrfer serve`` as a process of its own, for `serving.py` and ``tools/attack``: its memory, work and open files (Linux)."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Server:
    """A server that runs: its process and port."""

    process: subprocess.Popen[str]
    port: int

    def family(self) -> list[int]:
        """Its process and those that it started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def memory(self, pids: Sequence[int] = ()) -> float:
        """MiB that its processes, or some of them, have in memory; shared pages are counted once."""
        total = 0
        for pid in pids or self.family():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:  # it has just ended
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def worked(self) -> float:
        """Processor seconds of its processes so far."""
        ticks = 0
        for pid in self.family():
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def files(self) -> int:
        """Descriptors that it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@contextmanager
def service(*options: str, **surroundings: str) -> Iterator[Server]:
    """``fsrfer serve`` at a free port, with some variables of the environment."""
    code = "import sys; from fsrfer.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **surroundings}) as process:
        assert process.stderr is not None
        try:
            port = json.loads(process.stderr.readline())["port"]
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield Server(process, port)
        finally:
            process.terminate()
