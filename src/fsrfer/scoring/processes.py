"""The other end of a worker's process: one question, one answer, and a clear end."""

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from fsrfer.scoring.errors import ScoringError, WorkerDied
from fsrfer.scoring.plan import Plan, Task

SECONDS_TO_START = 300.0


class WorkerProcess:
    """A worker in a process of its own, which shares nothing with this one: no lock, no connection, no memory."""

    def __init__(self, plan: Plan):
        """Start it.

        Raises:
            ScoringError: its model is another one, or answers differently.
            WorkerDied: it ended before it was ready.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fsrfer.scoring.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the one that asks
        )
        try:
            self._say(plan.to_json())
            self._answer(SECONDS_TO_START)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def score(self, task: Task) -> dict[str, Any]:
        """Have a chunk scored; returns its receipt.

        Raises:
            ScoringError: it cannot be.
            WorkerDied: the process ended.
        """
        receipt: dict[str, Any] = self.ask({"task": asdict(task)}, task.patience)["receipt"]
        return receipt

    def ask(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to a question.

        Raises:
            ScoringError: the worker says why there is none.
            WorkerDied: the process ended, or took too long and was ended.
        """
        self._say(json.dumps(question))
        return self._answer(seconds)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was not yet sent
                    continue

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise WorkerDied(self._end()) from error

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        expired: list[float] = []

        def expire() -> None:
            expired.append(seconds)
            self._process.kill()

        late = threading.Timer(seconds, expire)
        late.daemon = True
        late.start()
        try:
            line = self._process.stdout.readline()
        except ValueError:  # closed meanwhile
            line = ""
        finally:
            late.cancel()
        if not line.endswith("\n"):
            raise WorkerDied(f"no answer in {seconds:g} seconds" if expired else self._end())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ScoringError(str(answer["error"]))
        return answer

    def _end(self) -> str:
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"
