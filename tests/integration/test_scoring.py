"""``fsrfer score`` as people run it: killed, begun again, with photos that kill, on a store, on a cluster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from pyarrow import parquet

from fsrfer.cli.demo import bundled_portrait
from fsrfer.scoring import ScoringResult, Settings, score
from scoring_trial import command, count, receipts, workers_of
from support.archives import write_tar

POISON = b"poison for decoders"

KILLER = f"""
import os, signal, sys
sys.path[:] = [place for place in sys.path if place != os.path.dirname(__file__)]
from fsrfer import images
decode = images.decode_rgb
def decode_rgb(data, *more):
    if {POISON!r} in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(data, *more)
images.decode_rgb = decode_rgb
"""
"""Loaded by every Python that finds it: what a picture would do that makes a decoder fail."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty photos of a face: four chunks."""
    folder = tmp_path_factory.mktemp("archive")
    photo = folder / "000.jpg"
    Image.open(bundled_portrait()).convert("RGB").resize((128, 128)).save(photo)
    for number in range(1, 60):
        (folder / f"{number:03d}.jpg").write_bytes(photo.read_bytes())
    return folder


@pytest.fixture(scope="module")
def more(toy: Path) -> list[str]:
    return ["--model", str(toy), "--detector", "fast", "--workers", "2"]


def run(archive: Path | str, output: Path | str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(archive, output, *more), env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def begun(archive: Path, output: Path, chunks: int, *more: str) -> subprocess.Popen[str]:
    """A run that has done so many chunks, and not all."""
    process = subprocess.Popen(command(archive, output, *more), stderr=subprocess.PIPE, text=True)
    while receipts(output) < chunks and process.poll() is None:
        time.sleep(0.005)
    return process


def test_killed_workers_and_killed_commands_lose_and_double_nothing(
    archive: Path, tmp_path: Path, more: list[str]
) -> None:
    process = begun(archive, tmp_path / "out", 1, *more)
    with suppress(OSError, IndexError):  # where all was done meanwhile
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    time.sleep(0.1)
    process.kill()
    process.wait()
    done = run(archive, tmp_path / "out", *more[:-1], "1")
    assert done.returncode == 0, done.stderr
    assert count(tmp_path / "out") == {"photos": 60, "faces": 60, "failed": 0, "killed": 0}


def test_a_stopped_command_says_one_line(archive: Path, tmp_path: Path, more: list[str]) -> None:
    for number in range(600):  # too many to be done before the signal comes
        os.link(archive / "000.jpg", tmp_path / f"{number}.jpg")
    process = begun(tmp_path, tmp_path / "out", 1, *more[:-1], "1")
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate()
    assert process.returncode == 143
    *_, last = told.splitlines()
    assert last == f"fsrfer: stopped; what was scored is kept in {tmp_path / 'out'}, and the same command goes on"
    assert "Traceback" not in told
    assert not list((tmp_path / "out" / "attempts").iterdir())


def test_a_photo_that_kills_is_found_and_told(
    archive: Path, tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes((archive / "000.jpg").read_bytes())
    (folder / "2.jpg").write_bytes((archive / "000.jpg").read_bytes() + POISON)
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(KILLER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "hook"), *filter(None, sys.path)]))
    result = score(folder, tmp_path / "out", workers=1, settings=Settings(model=str(toy), detector="fast"))
    assert result == ScoringResult(photos=5, faces=4, failed=1, killed=1, scored=5)
    assert count(tmp_path / "out") == {"photos": 5, "faces": 4, "failed": 1, "killed": 1}
    photos = parquet.read_table(tmp_path / "out" / "photos").to_pylist()
    assert [row["error"] is not None for row in photos] == [False, False, True, False, False]
    assert photos[2]["error"].endswith("2.jpg: it ended the process that looked at it (signal 9)")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a store on this machine that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # of nobody
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("photos-of-a-day")
    yield "s3://photos-of-a-day"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_photos_and_tables_on_a_store(archive: Path, tmp_path: Path, toy: Path, bucket: str) -> None:
    import s3fs

    store = s3fs.S3FileSystem()
    photo = (archive / "000.jpg").read_bytes()
    for number in range(17):
        store.pipe_file(f"{bucket}/in/{number % 2}/{number:02d}.jpg", photo)
    write_tar(tmp_path / "shard.tar", [("a.jpg", photo), ("a.jpg", photo), ("b.jpg", b"torn")])
    store.put(str(tmp_path / "shard.tar"), f"{bucket}/in/shard.tar")
    settings = Settings(model=str(toy), detector="fast")
    assert score(f"{bucket}/in", f"{bucket}/out", workers=1, settings=settings).scored == 20
    assert score(f"{bucket}/in", f"{bucket}/out", workers=1, settings=settings).scored == 0
    store.get(f"{bucket}/out", str(tmp_path / "fetched"), recursive=True)
    assert count(tmp_path / "fetched") == {"photos": 20, "faces": 19, "failed": 1, "killed": 0}
    rows = sorted(parquet.read_table(tmp_path / "fetched" / "photos").to_pylist(), key=lambda row: row["photo"])
    assert rows[0]["path"] == f"{bucket}/in/0/00.jpg"
    assert [row["member"] for row in rows[-3:]] == ["a.jpg", "a.jpg", "b.jpg"]


def test_a_store_that_is_not_there_is_one_line(tmp_path: Path, more: list[str]) -> None:
    done = run("nostore://photos", tmp_path / "out", *more)
    assert done.returncode == 2
    assert done.stderr == "fsrfer: error: nostore://photos: Protocol not known: nostore\n"
