"""A run: list, score, finish. The same call again goes on where the last one ended."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fsrfer import telemetry
from fsrfer.errors import FsrferError
from fsrfer.files import locked
from fsrfer.group.withholding import SmallestGroup
from fsrfer.recognition.model import ExpressionModel
from fsrfer.scoring import parts
from fsrfer.scoring.errors import ScoringError
from fsrfer.scoring.golden import golden_answers
from fsrfer.scoring.groups import group_rows
from fsrfer.scoring.ledger import Ledger
from fsrfer.scoring.listing import Listing
from fsrfer.scoring.local import Processes, ThisProcess
from fsrfer.scoring.plan import Plan, Settings, Task, hash_of_detector, key_of
from fsrfer.scoring.pool import Engine, Pool
from fsrfer.scoring.progress import Progress
from fsrfer.scoring.schema import VERSION, groups_schema
from fsrfer.scoring.sources import Archive, absolute
from fsrfer.scoring.stores import Store
from fsrfer.scoring.worker import versions
from fsrfer.version import __version__

ROUNDS = 3
"""Over chunks that do not stand as they were written: a worker of a killed run may have lived on for a moment."""

COUNTED = ("photos", "faces", "failed", "killed")
GROUPS = "groups.parquet"
ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class ScoringResult:
    """What a finished run came to.

    Attributes:
        photos, faces: how many; the faces are None where nothing is told but groups.
        failed: photos with an error.
        killed: those of them that ended the process that looked at them.
        scored: photos that this run looked at; the others were done before.
    """

    photos: int
    faces: int | None
    failed: int
    killed: int
    scored: int


def score(
    source: str | Path,
    output: str | Path,
    *,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    settings: Settings | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> ScoringResult:
    """Score every photo of an archive exactly once, however often the run is stopped and begun again.

    Args:
        source: a folder, pattern, tar, Parquet file with pictures or manifest, here or on a store that fsspec knows.
        output: a folder for ``faces/``, ``photos/`` and ``manifest.json``, here or on such a store.
        engine: ``local`` has processes of this machine, ``ray`` those of a Ray cluster.
        address: of a Ray cluster's head, ``host:port``; None for the one that this machine belongs to, or else a new one.
        workers: how many; None for as many as there are processors, 0 for none but this process.
        threads: of each worker.
        settings: what results depend on.
        progress: called with how far the run is, from a thread of its own, one call at a time.

    Returns:
        The counts of the whole archive.

    Raises:
        FsrferError: nothing can be begun, the folder was made with other settings, or a store or cluster fails.
        ModuleNotFoundError: the extra ``score`` (or ``ray``) is not installed.
    """
    _require_sense(engine, address, settings := settings or Settings())
    import fsspec  # noqa: F401  (missing, they should be missed before the work begins)
    import pyarrow  # noqa: F401

    if engine == "ray":
        import ray  # noqa: F401

    telemetry.switch_off()
    store = Store(absolute(str(output)))
    with _locked(store):
        run = _Run(store, str(source), settings, threads)
        if run.ledger.complete:
            return run.finished()
        return run.go(engine, address, workers, progress or (lambda _told: None))


class _Run:
    """The steps of a run, on one folder."""

    def __init__(self, store: Store, source: str, settings: Settings, threads: int):
        self._store, self._source, self._settings, self._threads = store, source, settings, threads
        self._model = ExpressionModel(settings.model, threads)
        self._detector = hash_of_detector(settings.detector)
        self._asked = {
            "source": absolute(source),
            **asdict(settings),
            "model": self._model.sha256,
            "detector": self._detector or settings.detector,
            "fsrfer": __version__,
            "schema": VERSION,
        }
        self.ledger = Ledger(store)
        self.ledger.require_same(self._asked)
        self._with_parts = not settings.aggregate_only

    def go(
        self, engine: str, address: str | None, workers: int | None, progress: Callable[[Progress], None]
    ) -> ScoringResult:
        """List, score and finish."""
        listing = self._listing()
        plan = self._plan(listing)
        done = self.ledger.done(plan.key, listing.chunks, self._with_parts)
        before = sum(one["photos"] for one in done.values())
        for _ in range(ROUNDS):
            if tasks := self.ledger.tasks(plan.key, listing.chunks, done):
                self._score(plan, tasks, done, _engine(engine, address, workers, plan, self._store), listing, progress)
                done = self.ledger.done(plan.key, listing.chunks, self._with_parts)
        if missing := len(listing.chunks) - len(done):
            raise ScoringError(
                f"{self._store.url}: {missing} chunks change while the run goes on; end other runs there"
            )
        totals: dict[str, int | None] = {**_totals(done)}
        if not self._with_parts:
            totals["faces"] = None  # who subtracts the groups that are told must not learn of the others
        self._finish(plan, listing, done, totals)
        return ScoringResult(**totals, scored=listing.photos - before)  # type: ignore[arg-type]

    def finished(self) -> ScoringResult:
        """What an earlier run came to; what it may have left to remove is removed."""
        assert self.ledger.manifest is not None
        if not self._with_parts:
            self.ledger.clean_aggregate()
        return ScoringResult(**{name: self.ledger.manifest["counts"][name] for name in COUNTED}, scored=0)

    def _listing(self) -> Listing:
        from fsrfer.scoring.listing import read_listing

        if self.ledger.manifest is not None and (listed := read_listing(self._store)) is not None:
            return listed
        archive = Archive(self._source, self._store.url, self._settings.path_column)
        self._require_column(archive.carried)
        facts = {"versions": versions(), "info": _told_of(self._model), "golden": golden_answers(self._model)}
        self.ledger.begin(self._asked, facts)
        return self.ledger.list_or_read(archive.items(), archive.carried)

    def _require_column(self, carried: Any) -> None:
        by = self._settings.by
        if by is not None and by != "folder" and by not in carried.names:
            has = ", ".join([*carried.names, "folder"])
            raise ScoringError(f"--by {by}: the source has no such column; it has {has}")

    def _plan(self, listing: Listing) -> Plan:
        assert self.ledger.manifest is not None
        return Plan(
            output=self._store.url,
            key=key_of(self._asked, listing.sha256),
            settings=self._settings_from_anywhere(),
            model_sha256=self._model.sha256,
            detector_sha256=self._detector,
            golden=tuple(tuple(row) for row in self.ledger.manifest["golden"]),
            folder=self._asked["source"] if Path(self._asked["source"]).is_dir() else None,
            threads=self._threads,
        )

    def _settings_from_anywhere(self) -> Settings:
        """The settings with files by their whole paths, for workers that stand elsewhere."""
        from fsrfer.recognition.detection import PRESETS
        from fsrfer.recognition.model import bundled_models

        values = asdict(self._settings)
        for name, known in (("model", bundled_models()), ("detector", list(PRESETS))):
            if values[name] not in known:
                values[name] = str(Path(values[name]).absolute())
        return Settings(**values)

    def _score(
        self,
        plan: Plan,
        tasks: list[Task],
        done: Mapping[int, Mapping[str, Any]],
        engine: Engine,
        listing: Listing,
        progress: Callable[[Progress], None],
    ) -> None:
        counts, began = Counter(_totals(done)), time.perf_counter()
        before = counts["photos"]

        def tell(receipt: Mapping[str, Any] | None = None) -> None:
            counts.update({name: receipt[name] for name in COUNTED} if receipt else {})
            seconds = time.perf_counter() - began
            progress(Progress(counts["photos"], listing.photos, before, counts["faces"], counts["failed"], seconds))

        tell()
        pool = Pool(tasks, engine, tell)
        try:
            pool.run()
        except BaseException as stop:
            with suppress(FsrferError):  # a store that is gone
                for task in pool.under_way:
                    self.ledger.forget_attempt(plan.key, task)
            stop.add_note(f"what was scored is kept in {self._store.url}, and the same command goes on")
            raise

    def _finish(
        self, plan: Plan, listing: Listing, done: Mapping[int, Mapping[str, Any]], totals: Mapping[str, Any]
    ) -> None:
        facts: dict[str, Any] = {
            "key": plan.key,
            "listing_sha256": listing.sha256,
            "counts": dict(totals),
            "seconds": round(sum(one["seconds"] for one in done.values()), 3),
            "processors": dict(Counter(one["processor"] for one in done.values())),
        }
        if self._with_parts:
            facts["parts"] = [
                {"chunk": chunk, **{table: _part(table, plan.key, one) for table in parts.TABLES}}
                for chunk, one in sorted(done.items())
            ]
        else:
            sums = self.ledger.sums(plan.key, listing.chunks)
            rows = group_rows(sums, self._model.info, SmallestGroup(self._settings.min_group))
            self._store.write(GROUPS, parts.encoded(rows, groups_schema()))
            facts["parts"] = [GROUPS]
        self.ledger.finish(facts, plan.key, listing.chunks, self._with_parts)
        if not self._with_parts:
            self.ledger.clean_aggregate()


def _part(table: str, key: str, receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": f"{table}/{parts.part_name(key, receipt['chunk'])}", **receipt["parts"][table]}


def _totals(done: Mapping[int, Mapping[str, Any]]) -> dict[str, int]:
    return {name: sum(one[name] for one in done.values()) for name in COUNTED}


def _told_of(model: ExpressionModel) -> dict[str, Any]:
    return {"model": model.info.name, "version": model.info.version, "sha256": model.sha256}


def _require_sense(engine: str, address: str | None, settings: Settings) -> None:
    if engine not in ENGINES:
        raise ScoringError(f"engine {engine}: there is none of this name; use {' or '.join(ENGINES)}")
    if address is not None and engine != "ray":
        raise ScoringError("--address is of a Ray cluster; add --engine ray")
    if address is not None and address.startswith("ray://"):
        raise ScoringError(
            f"--address {address}: a run must not hang on Ray Client's one connection; run the command on a machine of the "
            "cluster with --address HOST:PORT, or hand it over with: ray job submit"
        )
    if settings.by is not None and not settings.aggregate_only:
        raise ScoringError("--by names the groups of --aggregate-only; add that")


def _engine(engine: str, address: str | None, workers: int | None, plan: Plan, store: Store) -> Engine:
    if workers == 0 or store.within_process():
        return ThisProcess(plan, store)
    if engine == "ray":
        from fsrfer.scoring.cluster import Cluster

        return Cluster(plan, address, workers)
    return Processes(plan, workers)


def _locked(store: Store) -> AbstractContextManager[None]:
    """No other run on this machine fills a local folder meanwhile; on a store, two runs would write the same parts."""
    return locked(Path(store.path(""))) if store.local else nullcontext()
