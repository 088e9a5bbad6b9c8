"""Workers on a cluster, with a stand-in that does what Ray says it does; `tools/scoring_trial.py` tries the real one."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fsrfer import telemetry
from fsrfer.recognition.model import ExpressionModel
from fsrfer.scoring import Settings, score
from fsrfer.scoring.errors import ScoringError, WorkerDied
from fsrfer.scoring.plan import Plan, Task

errors = SimpleNamespace(
    RayError=type("RayError", (Exception,), {}),
)
for name in ("GetTimeoutError", "RuntimeEnvSetupError", "RayTaskError", "ActorDiedError"):
    setattr(errors, name, type(name, (errors.RayError,), {"cause": None}))


class FakeRay(ModuleType):
    """As much of Ray as is used: actors in this process, whose calls are done when they are asked for."""

    exceptions = errors

    def __init__(self, processors: int = 2):
        super().__init__("ray")
        self.processors, self.options, self.started, self.killed = processors, {}, {}, 0
        self.fails: Exception | None = None
        self.ready = True
        self.up = False

    def is_initialized(self) -> bool:
        return self.up

    def init(self, **how: Any) -> None:
        self.started = {**how, "statistics": os.environ.get("RAY_USAGE_STATS_ENABLED")}
        if how["address"] == "nowhere:1":
            raise ConnectionError("nobody there")
        self.up = True

    def shutdown(self) -> None:
        self.up = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.processors}

    def remote(self, **options: Any) -> Any:
        self.options = options
        return lambda kind: SimpleNamespace(remote=lambda plan: Handle(kind(plan)))

    def wait(self, answers: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return (answers, []) if self.ready else ([], answers)

    def get(self, answer: Any, timeout: float) -> Any:
        if self.fails is not None and "receipt" in str(answer):
            failure, self.fails = self.fails, None
            raise failure
        return answer

    def kill(self, handle: Any) -> None:
        self.killed += 1


class Handle:
    def __init__(self, actor: Any):
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._actor, name))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    return fake


def test_a_cluster_scores_as_processes_do(ray: FakeRay, archive: Path, tmp_path: Path, settings: Settings) -> None:
    ray.fails = errors.ActorDiedError("its node is gone")
    result = score(archive, tmp_path / "out", engine="ray", settings=settings)
    assert (result.photos, result.faces, result.failed) == (7, 3, 2)
    assert ray.started["address"] is None
    assert ray.started["statistics"] == "0"
    assert (ray.options["max_restarts"], ray.options["max_task_retries"], ray.options["num_cpus"]) == (0, 0, 1)
    assert ray.options["runtime_env"]["env_vars"] == {**telemetry.SWITCHES, "OMP_NUM_THREADS": "1"}
    assert ray.killed == 2
    assert not ray.up


def test_a_cluster_that_is_not_there_or_too_small(
    ray: FakeRay, archive: Path, tmp_path: Path, settings: Settings
) -> None:
    with pytest.raises(ScoringError, match="no Ray cluster can be used at nowhere:1: nobody there"):
        score(archive, tmp_path / "out", engine="ray", address="nowhere:1", settings=settings)
    ray.processors = 0
    with pytest.raises(ScoringError, match="no processor for a worker"):
        score(archive, tmp_path / "out", engine="ray", settings=settings)


def test_workers_that_differ_are_told(ray: FakeRay, tmp_path: Path, settings: Settings) -> None:
    from fsrfer.scoring.cluster import Cluster

    plan = Plan(str(tmp_path), "key", settings, "another seal", None, ())
    with pytest.raises(ScoringError, match="another model there"):
        Cluster(plan, None, None).open(lambda: False)
    real = replace(plan, model_sha256=ExpressionModel(settings.model, 1).sha256, folder=str(tmp_path / "none"))
    with pytest.raises(ScoringError, match="none: a worker does not see this folder"):
        Cluster(real, None, None).open(lambda: False)
    ray.ready = False
    assert Cluster(plan, None, 5).open(lambda: True) is None


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (errors.GetTimeoutError(), WorkerDied, "no answer in"),
        (errors.ActorDiedError("the node died"), WorkerDied, "the node died"),
        (errors.RayTaskError("no module named fsrfer"), ScoringError, "no module named fsrfer"),
        (errors.RuntimeEnvSetupError("no space"), ScoringError, "cannot start a worker: no space"),
    ],
)
def test_what_ray_says_of_a_worker(ray: FakeRay, failure: Exception, kind: type[Exception], message: str) -> None:
    from fsrfer.scoring.cluster import Actor

    ray.fails = failure
    handle = SimpleNamespace(score=SimpleNamespace(remote=lambda task: {"receipt": {}}))
    with pytest.raises(kind, match=message):
        Actor(ray, handle).score(Task(0, 0, 0, 16))
