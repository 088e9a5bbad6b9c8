"""What a folder of results knows of itself: what was asked, what is listed, which chunks are done.

Only a receipt whose parts are there, at the sizes it states, makes a chunk done.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fsrfer.scoring import listing, parts
from fsrfer.scoring.errors import ScoringError
from fsrfer.scoring.listing import Chunk, Listing
from fsrfer.scoring.plan import Task
from fsrfer.scoring.stores import Store
from fsrfer.scoring.worker import ATTEMPTS

MANIFEST = "manifest.json"


class Ledger:
    """The bookkeeping of one folder of results."""

    def __init__(self, store: Store):
        """Look at what is there.

        Raises:
            ScoringError: a manifest that cannot be read.
        """
        self.store = store
        self.manifest: dict[str, Any] | None = None
        if (data := store.read(MANIFEST)) is not None:
            try:
                self.manifest = json.loads(data)
            except ValueError as error:
                raise ScoringError(
                    f"{store.url}/{MANIFEST}: cannot be read ({error}); choose another folder"
                ) from error

    def require_same(self, asked: Mapping[str, Any]) -> None:
        """Refuse to mix results of different requests.

        Raises:
            ScoringError: the folder was made by another request; the message says in what it differs.
        """
        if self.manifest is None:
            if self.store.sizes("faces") or self.store.sizes("photos"):
                raise ScoringError(
                    f"{self.store.url}: faces or photos are there, but no {MANIFEST}; choose another folder"
                )
            return
        before = self.manifest.get("asked", {})
        different = [name for name in asked if before.get(name) != asked[name]]
        if different:
            told = "; ".join(f"{name} was {_short(before.get(name))}, is {_short(asked[name])}" for name in different)
            raise ScoringError(f"{self.store.url}: made with other settings ({told}); choose another folder")

    @property
    def complete(self) -> bool:
        """Whether all was done before."""
        return bool(self.manifest and self.manifest.get("complete"))

    def begin(self, asked: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Write down what is asked, before anything else."""
        if self.manifest is None:
            self._write({"complete": False, "asked": dict(asked), **facts, "begun": _now()})

    def list_or_read(self, items: Iterator[Any], carried: Any) -> Listing:
        """The list of photos, which is written if there is none yet."""
        return listing.read_listing(self.store) or listing.write_listing(self.store, items, carried)

    def done(self, key: str, chunks: tuple[Chunk, ...], with_parts: bool) -> dict[int, dict[str, Any]]:
        """The receipts of the chunks that are done, by their numbers, without the sums of groups."""
        there = self.store.sizes(parts.RECEIPTS)
        wanted = [name for chunk in chunks if (name := parts.receipt_name(key, chunk.number)) in there]
        sizes = {table: self.store.sizes(table) for table in parts.TABLES} if with_parts else {}
        found: dict[int, dict[str, Any]] = {}
        for _, data in self.store.read_all([f"{parts.RECEIPTS}/{name}" for name in wanted]):
            try:
                receipt = json.loads(data)
            except ValueError:  # cut off, where a store wrote no whole file
                continue
            name = parts.part_name(key, receipt["chunk"])
            if all(sizes[table].get(name) == receipt["parts"][table]["bytes"] for table in sizes):
                found[receipt["chunk"]] = {name: value for name, value in receipt.items() if name != "groups"}
        return found

    def sums(self, key: str, chunks: tuple[Chunk, ...]) -> Iterator[dict[str, Any]]:
        """What the chunks' receipts keep of each group, in the order of the chunks."""
        names = [f"{parts.RECEIPTS}/{parts.receipt_name(key, chunk.number)}" for chunk in chunks]
        for _, data in self.store.read_all(names, 32):
            yield from json.loads(data)["groups"]

    def tasks(self, key: str, chunks: tuple[Chunk, ...], done: Mapping[int, Any]) -> list[Task]:
        """What is left to do, the largest first, with the attempts that ended without a receipt."""
        attempts = Counter(
            int(name.removeprefix(f"{key}-").partition(".")[0])
            for name in self.store.sizes(ATTEMPTS)
            if name.startswith(f"{key}-")
        )
        left = sorted((chunk for chunk in chunks if chunk.number not in done), key=_work, reverse=True)
        return [Task(one.number, one.file, one.row_group, one.photos, attempts[one.number] + 1) for one in left]

    def forget_attempt(self, key: str, task: Task) -> None:
        """An attempt that was stopped is nobody's fault."""
        self.store.remove(f"{ATTEMPTS}/{key}-{task.chunk:07d}.{task.attempt}")

    def finish(self, facts: Mapping[str, Any], key: str, chunks: tuple[Chunk, ...], with_parts: bool) -> None:
        """All is done: what no receipt speaks of is removed, and the manifest says so."""
        wanted = {parts.part_name(key, chunk.number) for chunk in chunks}
        if with_parts:
            for table in parts.TABLES:
                self._clean(table, wanted)
        self._clean(ATTEMPTS, set())
        self._write({**(self.manifest or {}), "complete": True, **facts, "finished": _now()})

    def clean_aggregate(self) -> None:
        """Remove the names of photos and the sums of chunks, once the groups are written."""
        for folder in (listing.FOLDER, parts.RECEIPTS, ATTEMPTS):
            self._clean(folder, set())
        self.store.remove(listing.INDEX)

    def _clean(self, folder: str, wanted: set[str]) -> None:
        for name in self.store.sizes(folder):
            if name not in wanted:
                self.store.remove(f"{folder}/{name}")

    def _write(self, values: dict[str, Any]) -> None:
        self.store.write(MANIFEST, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
        self.manifest = values


def _work(chunk: Chunk) -> tuple[int, int, int]:
    return chunk.bytes, chunk.photos, -chunk.number


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text[:16] + "…" if len(text) == 66 else text  # a hash


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
