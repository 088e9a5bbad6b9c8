"""Workers on a Ray cluster: Ray finds a place for each and says when one is gone; which photo is done, it need not know."""

import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fsrfer import telemetry
from fsrfer.errors import FsrferError
from fsrfer.scoring.errors import ScoringError, WorkerDied
from fsrfer.scoring.plan import Plan, Task
from fsrfer.scoring.processes import SECONDS_TO_START
from fsrfer.scoring.stores import Store, one_line
from fsrfer.scoring.worker import Scorer

MEMORY = 2**30
"""Bytes that a worker is given a place by: as much as a photo of 100 megapixels takes."""

SILENT = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Of a cluster that is started here."""


class Remote:
    """What runs on the cluster: a scorer whose failures are answers, so that only its death is Ray's business."""

    def __init__(self, plan: str) -> None:
        """Load the networks; what fails is told by `ready`."""
        telemetry.switch_off()
        self._failure = ""
        try:
            self._scorer = Scorer(Plan.from_json(plan))
        except FsrferError as error:
            self._failure = str(error)

    def ready(self) -> str:
        """Why nothing can be scored here, or nothing."""
        return self._failure

    def score(self, task: dict[str, Any]) -> dict[str, Any]:
        """The receipt of a chunk, or an error."""
        try:
            return {"receipt": self._scorer.score(Task(**task))}
        except FsrferError as error:
            return {"error": str(error)}


class Cluster:
    """Workers on a Ray cluster, which is joined, or started on this machine."""

    def __init__(self, plan: Plan, address: str | None, workers: int | None):
        """Join it.

        Raises:
            ScoringError: there is none at this address, it has another Ray or Python, or cannot reach the store.
            ModuleNotFoundError: the extra ``ray`` is not installed.
        """
        for name, value in SILENT.items():
            os.environ.setdefault(name, value)
        import ray as typed  # whose decorators no type checker follows

        ray: Any = typed
        if Store(plan.output).local and address not in (None, "auto", "local"):
            _warn_of_local(plan.output)
        self._ray, self._plan = ray, plan
        self._joined = not ray.is_initialized()
        if self._joined:
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                raise ScoringError(
                    f"no Ray cluster can be used at {address or 'this machine'}: {one_line(error)}"
                ) from error
        processors = int(ray.cluster_resources().get("CPU", 0)) // plan.threads
        if processors < 1:
            self.close()
            raise ScoringError("the Ray cluster has no processor for a worker")
        self.workers = workers or processors
        variables = {**telemetry.SWITCHES, "OMP_NUM_THREADS": str(plan.threads)}
        options: dict[str, Any] = {"num_cpus": plan.threads, "memory": MEMORY, "max_restarts": 0, "max_task_retries": 0}
        if plan.settings.device == "cuda":
            options["num_gpus"] = 1
        self._actors = ray.remote(**options, runtime_env={"env_vars": variables})(Remote)

    def open(self, needless: Callable[[], bool]) -> "Actor | None":
        """See `fsrfer.scoring.pool.Engine`; it waits until the cluster has a place."""
        actor = Actor(self._ray, self._actors.remote(self._plan.to_json()))
        try:
            return actor if actor.becomes_ready(needless) else None
        except BaseException:
            actor.close()
            raise

    def close(self) -> None:
        """Leave the cluster, with no worker left on it."""
        if self._joined:
            self._ray.shutdown()


class Actor:
    """The near end of a worker on the cluster."""

    def __init__(self, ray: Any, handle: Any):
        """Hold one that was asked for."""
        self._ray, self._handle = ray, handle

    def becomes_ready(self, needless: Callable[[], bool]) -> bool:
        """Wait for a place and for the networks; False where it turned out needless.

        Raises:
            ScoringError: its model is another one, or answers differently.
            WorkerDied: it ended before.
        """
        answer = self._handle.ready.remote()
        while not self._ray.wait([answer], timeout=1.0)[0]:
            if needless():
                self.close()
                return False
        if failure := self._result(answer, SECONDS_TO_START):
            raise ScoringError(failure)
        return True

    def score(self, task: Task) -> dict[str, Any]:
        """See `fsrfer.scoring.pool.Worker`."""
        answer = self._result(self._handle.score.remote(asdict(task)), task.patience)
        if "error" in answer:
            raise ScoringError(answer["error"])
        receipt: dict[str, Any] = answer["receipt"]
        return receipt

    def close(self) -> None:
        """End it, whatever it is doing."""
        try:
            self._ray.kill(self._handle)
        except Exception:  # the cluster is gone, and it with it
            return

    def _result(self, answer: Any, seconds: float) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(answer, timeout=seconds)
        except errors.GetTimeoutError as late:
            raise WorkerDied(f"no answer in {seconds:g} seconds") from late
        except errors.RuntimeEnvSetupError as error:
            raise ScoringError(f"a node of the Ray cluster cannot start a worker: {one_line(error)}") from error
        except errors.RayTaskError as error:
            raise ScoringError(f"a worker on the Ray cluster fails: {one_line(error.cause or error)[:300]}") from error
        except errors.RayError as error:  # the worker or its node is gone
            raise WorkerDied(one_line(error)[:200]) from error


def _warn_of_local(output: str) -> None:
    import warnings

    from fsrfer.errors import FsrferWarning

    warnings.warn(f"{output}: every node of the cluster must see this folder", FsrferWarning, stacklevel=4)
