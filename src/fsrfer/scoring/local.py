"""Workers on this machine: processes, or this very one."""

from collections.abc import Callable
from typing import Any

from fsrfer.recognition.runtime import granted_processors
from fsrfer.scoring.plan import Plan, Task
from fsrfer.scoring.processes import WorkerProcess
from fsrfer.scoring.stores import Store
from fsrfer.scoring.worker import Scorer


class Processes:
    """Workers in processes of this machine."""

    def __init__(self, plan: Plan, workers: int | None = None):
        """Have so many; None for one for each processor granted that others' threads leave."""
        self._plan = plan
        self.workers = workers or max(1, granted_processors() // plan.threads)

    def open(self, needless: Callable[[], bool]) -> WorkerProcess:
        """See `fsrfer.scoring.pool.Engine`."""
        del needless
        return WorkerProcess(self._plan)

    def close(self) -> None:
        """Each worker is closed by who opened it."""


class ThisProcess:
    """One worker in this process: for stores that no other can see (``memory://``), and to look at the work in a debugger."""

    workers = 1

    def __init__(self, plan: Plan, store: Store):
        """Load the networks."""
        self._scorer = Scorer(plan, store)

    def open(self, needless: Callable[[], bool]) -> "ThisProcess":
        """See `fsrfer.scoring.pool.Engine`."""
        del needless
        return self

    def score(self, task: Task) -> dict[str, Any]:
        """See `fsrfer.scoring.pool.Worker`."""
        return self._scorer.score(task)

    def close(self) -> None:
        """Nothing runs beside."""
