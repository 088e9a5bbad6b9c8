"""A worker: it holds one recogniser and scores chunk after chunk. ``python -m fsrfer.scoring.worker`` is one in a process.

The process reads lines of JSON from standard input and answers on standard output. It ends with the process that started it.
"""

import contextlib
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from fsrfer import telemetry
from fsrfer.errors import FsrferError
from fsrfer.recognition.devices import installed_packages
from fsrfer.recognition.faces import FaceRecognizer
from fsrfer.scoring import isolation, parts
from fsrfer.scoring.errors import ScoringError
from fsrfer.scoring.golden import require_golden
from fsrfer.scoring.items import Item
from fsrfer.scoring.listing import read_chunk
from fsrfer.scoring.looking import Looked, Looker
from fsrfer.scoring.plan import Plan, Task, hash_of_detector
from fsrfer.scoring.reading import fetch
from fsrfer.scoring.stores import Store

ATTEMPTS = "attempts"

_FLAGS = ("avx2", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


class Scorer:
    """Scores chunks by a plan."""

    def __init__(self, plan: Plan, store: Store | None = None):
        """Load the networks, and check that they are those of the plan.

        Raises:
            FsrferError: they are not, or cannot be loaded.
        """
        settings = plan.settings
        self._plan = plan
        self.recognizer = FaceRecognizer(
            settings.model, settings.detector, plan.threads, settings.min_face, settings.device
        )
        if self.recognizer.model.sha256 != plan.model_sha256:
            raise ScoringError(f"{settings.model}: a worker has another model there (SHA-256 differs)")
        if hash_of_detector(settings.detector) != plan.detector_sha256:
            raise ScoringError(f"{settings.detector}: a worker has another detector there (SHA-256 differs)")
        if plan.folder is not None and not Path(plan.folder).is_dir():
            raise ScoringError(f"{plan.folder}: a worker does not see this folder; every one must")
        require_golden(self.recognizer.model, plan.golden)
        self._looker = Looker(self.recognizer, settings.max_pixels)
        self._store = store or Store(plan.output)

    def score(self, task: Task) -> dict[str, Any]:
        """Score a chunk and write all of it; returns its receipt. An attempt is noted before it begins.

        Raises:
            FsrferError: a store does not answer, or the list is damaged.
        """
        key, began = self._plan.key, time.perf_counter()
        mark = f"{ATTEMPTS}/{key}-{task.chunk:07d}.{task.attempt}"
        self._store.write(mark, b"")
        items, carried = read_chunk(self._store, task.file, task.row_group)
        looked = list(isolation.look(self._plan, items) if task.isolated else self.look(items))
        receipt = {
            "chunk": task.chunk,
            "photos": len(looked),
            "faces": sum(len(one.faces) for one in looked),
            "failed": sum(one.error is not None for one in looked),
            "killed": sum(one.killed for one in looked),
            "processor": processor(),
            **self._kept(task, looked, carried),
            "seconds": round(time.perf_counter() - began, 3),
        }
        self._store.write(f"{parts.RECEIPTS}/{parts.receipt_name(key, task.chunk)}", json.dumps(receipt).encode())
        self._store.remove(mark)
        return {name: value for name, value in receipt.items() if name != "groups"}

    def look(self, items: list[Item]) -> Iterator[Looked]:
        """What comes of some photos, in their order."""
        return self._looker.look(fetch(items))

    def _kept(self, task: Task, looked: list[Looked], carried: Any) -> dict[str, Any]:
        settings = self._plan.settings
        if settings.aggregate_only:
            return {"groups": parts.group_sums(looked, settings.by)}
        return {"parts": parts.write_parts(self._store, parts.part_name(self._plan.key, task.chunk), looked, carried)}


def processor() -> str:
    """The processor's name, with those of its instructions that results may depend on, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    told = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines if ":" in line}
    flags = set((told.get("flags") or told.get("Features") or "").split())
    name = told.get("model name") or platform.processor() or platform.machine()
    return " ".join([name, *(f"+{flag}" for flag in _FLAGS if flag in flags)])


def versions() -> dict[str, str]:
    """Of what results may depend on."""
    runtimes = dict(package.split(" ", 1) for package in installed_packages())
    return {
        "python": platform.python_version(),
        **runtimes,
        **{name: metadata.version(name) for name in ("numpy", "pillow")},
    }


def _own_streams() -> tuple[TextIO, TextIO]:
    """Standard input and output for the lines alone: what a decoder's C code prints goes nowhere."""
    source, sink = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)
    return source, sink


def _follow(source: TextIO, lines: "SimpleQueue[str]") -> None:
    """Hand on each line; where the other end is gone, nobody waits for this process's work."""
    with contextlib.suppress(OSError, ValueError):
        for line in source:
            lines.put(line)
    os._exit(0)


def _answer(scorer: Scorer, asked: dict[str, Any]) -> dict[str, Any]:
    if "task" in asked:
        return {"receipt": scorer.score(Task(**asked["task"]))}
    (looked,) = scorer.look([Item(**asked["item"])])
    return {"looked": isolation.to_dict(looked)}


def main() -> int:
    """Be a worker until the other end closes."""
    telemetry.switch_off()
    source, sink = _own_streams()
    lines: SimpleQueue[str] = SimpleQueue()

    def say(answer: dict[str, Any]) -> None:
        sink.write(json.dumps(answer) + "\n")
        sink.flush()

    threading.Thread(target=_follow, args=(source, lines), daemon=True).start()
    try:
        scorer = Scorer(Plan.from_json(lines.get()))
        say({"ready": True})
        while True:
            say(_answer(scorer, json.loads(lines.get())))
    except FsrferError as error:
        say({"error": str(error)})
    except Exception as fault:  # whatever it is, the run ends with a line that says it
        say(
            {"error": " ".join(f"a fault of fsrfer itself, please report it ({type(fault).__name__}: {fault})".split())}
        )
    return 2


if __name__ == "__main__":
    sys.exit(main())
