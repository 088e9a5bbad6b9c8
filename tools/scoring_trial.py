"""Trials of ``fsrfer score``: photos are made, a run is killed again and again, and every row is counted.

    python tools/scoring_trial.py make FOLDER --photos 2000
    python tools/scoring_trial.py local FOLDER OUTPUT --kills 6
    python tools/scoring_trial.py cluster FOLDER OUTPUT --nodes 3
    python tools/scoring_trial.py count FOLDER OUTPUT

``make`` writes photos, some of them broken, a few into a tar, and ``archive.csv``, a manifest with places and hours; the faces
are of a zip of pictures (``--faces``), or else of the portrait that matplotlib carries. ``local``
kills the command and its workers at random moments and begins it anew; ``cluster`` starts a Ray cluster of several nodes on
this machine, kills a node at a third, the command at two thirds, and begins that anew. Both end with ``count``.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fsrfer.cli.demo import bundled_portrait

WIDTH, HEIGHT = 400, 300
PLACES = ("north gate", "hall", "platform 3")


def make(folder: Path, archive: Path | None, photos: int, seed: int = 0) -> None:
    """Photos of 0 to 6 faces on a ground, every 50th broken, every 20th in a tar, and their manifest."""
    rng, faces = random.Random(seed), _Faces(archive)
    (folder / "photos").mkdir(parents=True)
    rows = []
    with tarfile.open(folder / "shard-000000.tar", "w") as tar:
        for number in range(photos):
            data = _broken(number) if number % 50 == 49 else faces.photo(rng)
            if number % 20 == 10:
                member = tarfile.TarInfo(f"{number % 7:04d}.jpg")  # names come again
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
                continue
            path = folder / "photos" / f"{number % 10}" / f"{number:06d}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            rows.append({"path": path.relative_to(folder), "place": PLACES[number % 3], "hour": number // 60 % 24})
    with (folder / "archive.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["path", "place", "hour"])
        writer.writeheader()
        writer.writerows(rows)


class _Faces:
    """Faces of a zip of pictures, or of the portrait."""

    def __init__(self, archive: Path | None):
        self._zip = zipfile.ZipFile(archive) if archive else None
        names = self._zip.namelist() if self._zip else []
        self._names = sorted(name for name in names if name.lower().endswith((".jpg", ".png")))

    def photo(self, rng: random.Random) -> bytes:
        """A photo as the bytes of a JPEG file."""
        ground = np.linspace(90, 160, HEIGHT)[:, None, None] + np.zeros((HEIGHT, WIDTH, 3))
        photo = Image.fromarray(ground.astype(np.uint8))
        for place in range(rng.randrange(7)):
            side = rng.randrange(40, 120)
            face = self._face(rng).convert("RGB").resize((side, side))
            photo.paste(face, (10 + 130 * (place % 3), 10 + 145 * (place // 3)))
        stream = io.BytesIO()
        photo.save(stream, "JPEG", quality=88)
        return stream.getvalue()

    def _face(self, rng: random.Random) -> Image.Image:
        if self._zip is None:
            return Image.open(bundled_portrait()).crop((150, 110, 380, 340))
        with self._zip.open(rng.choice(self._names)) as stream:
            return Image.open(io.BytesIO(stream.read()))


def _broken(number: int) -> bytes:
    return (b"", b"no picture at all", b"\xff\xd8\xff\xe0 torn")[number // 50 % 3]


def expected(folder: Path) -> int:
    """How many photos a trial's folder holds, those in tars included."""
    files = sum(1 for path in folder.rglob("*") if path.suffix == ".jpg")
    shards = 0
    for path in folder.glob("*.tar"):
        with tarfile.open(path) as tar:
            shards += len(tar.getnames())
    return files + shards


def count(output: Path) -> dict[str, int]:
    """The rows of a finished run, once all is found to be as it must be.

    Raises:
        AssertionError: a photo is missing or doubled, a face has no photo, or a part is not as the manifest says.
    """
    from pyarrow import parquet

    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"], "the run is not complete"
    for table in ("photos", "faces"):
        told = {part[table]["path"] for part in manifest["parts"]}
        there = {f"{table}/{path.name}" for path in (output / table).iterdir()}
        assert told == there, f"{table}: parts and files differ by {sorted(told ^ there)[:3]}"
        for part in manifest["parts"]:
            data = (output / part[table]["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == part[table]["sha256"], f"{part[table]['path']}: another hash"
    photos = parquet.read_table(output / "photos").to_pylist()
    faces = parquet.read_table(output / "faces", columns=["photo", "face"]).to_pylist()
    numbers = [row["photo"] for row in photos]
    assert sorted(numbers) == list(range(len(numbers))), "photos are missing or doubled"
    places = [
        (row["path"], row["member"], row["offset"], row["error"] if row["width"] is None else "") for row in photos
    ]
    assert len(set(places)) == len(places), "a photo was listed twice"
    wanted = {(row["photo"], face) for row in photos for face in range(row["faces"])}
    assert len(faces) == len(wanted), f"{len(faces)} faces, not {len(wanted)}"
    assert {(row["photo"], row["face"]) for row in faces} == wanted, "a face has no photo, or is doubled"
    assert not list((output / "attempts").glob("*")), "attempts are left"
    failed = sum(row["error"] is not None for row in photos)
    counts = {"photos": len(photos), "faces": len(faces), "failed": failed}
    assert {name: manifest["counts"][name] for name in counts} == counts, "the manifest counts otherwise"
    return {**counts, "killed": manifest["counts"]["killed"]}


def command(source: Path | str, output: Path | str, *more: str) -> list[str]:
    """The command that is tried."""
    return [sys.executable, "-m", "fsrfer.cli.main", "score", str(source), "--output", str(output), *more]


def receipts(output: Path) -> int:
    """How many chunks are done."""
    return len(list((output / "receipts").glob("*.json"))) if (output / "receipts").is_dir() else 0


def workers_of(pid: int) -> list[int]:
    """Processes that another one started."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def kill_often(source: Path, output: Path, kills: int, seconds: float, more: Sequence[str] = (), seed: int = 0) -> int:
    """Begin the command again and again and kill it, or a worker of it, at random moments; then let it end.

    Returns:
        How many times something was killed.
    """
    rng, killed = random.Random(seed), 0
    while killed < kills:
        run = subprocess.Popen(command(source, output, *more), stderr=subprocess.PIPE, text=True)
        try:
            run.wait(rng.uniform(0.2, seconds))
        except subprocess.TimeoutExpired:
            workers = workers_of(run.pid)
            if workers and rng.random() < 0.5:
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(workers), signal.SIGKILL)
                print(f"killed a worker at {receipts(output)} chunks", flush=True)
                time.sleep(rng.uniform(0.0, 2.0))
            run.kill()
            killed += 1
            print(f"killed the command at {receipts(output)} chunks", flush=True)
        run.wait()
        if run.returncode == 0:
            break
    subprocess.run(command(source, output, *more), check=True)
    return killed


def on_a_cluster(source: Path, output: Path, nodes: int, more: Sequence[str] = ()) -> dict[str, Any]:
    """Score on a cluster of several nodes on this machine: a node is killed at a third, the command at two thirds."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    store = 80 * 2**20
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": store})
    began = time.perf_counter()
    try:
        workers = [cluster.add_node(num_cpus=1, object_store_memory=store) for _ in range(nodes)]
        cluster.wait_for_nodes()
        line = command(source, output, "--engine", "ray", "--address", cluster.address, *more)
        run = subprocess.Popen(line)
        at_node = _wait_for(run, output, 1 / 3)
        cluster.remove_node(workers[0], allow_graceful=False)
        print(f"killed a node at {at_node} chunks", flush=True)
        at_driver = _wait_for(run, output, 2 / 3)
        run.kill()
        run.wait()
        print(f"killed the command at {at_driver} chunks", flush=True)
        subprocess.run(line, check=True)
    finally:
        cluster.shutdown()
    return {"nodes": nodes, "chunks": receipts(output), "seconds": round(time.perf_counter() - began, 1)}


def _wait_for(run: "subprocess.Popen[bytes]", output: Path, share: float) -> int:
    """Wait until so many of the chunks are done."""
    from pyarrow import parquet

    index = output / "chunks.parquet"
    while not index.exists() or receipts(output) < share * parquet.read_metadata(index).num_rows:
        if run.poll() is not None:
            raise SystemExit(f"the command ended too early, by {run.returncode}")
        time.sleep(0.1)
    return receipts(output)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("make", "local", "cluster", "count"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--faces", type=Path, help="for make: a zip of pictures of faces")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--within", type=float, default=30.0, help="seconds between two kills, at most")
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    if options.step == "make":
        make(options.folder, options.faces, options.photos)
        print(f"{expected(options.folder)} photos in {options.folder}")
        return 0
    if options.step == "local":
        print(f"{kill_often(options.folder, options.output, options.kills, options.within)} kills")
    if options.step == "cluster":
        print(on_a_cluster(options.folder, options.output, options.nodes))
    counts = count(options.output)
    print(counts)
    assert counts["photos"] == expected(options.folder), f"{expected(options.folder)} photos are there"
    return 0


if __name__ == "__main__":
    sys.exit(main())
