"""Archives scored in this process: what is written, what is refused, what is done again."""

import json
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from fsrfer import Recognizer
from fsrfer.cli.main import main
from fsrfer.errors import FsrferError
from fsrfer.scoring import Progress, Settings, score
from fsrfer.scoring.golden import golden_answers, require_golden
from fsrfer.scoring.plan import Task
from scoring_trial import count


def rows(output: Path, table: str) -> list[dict]:
    return sorted(parquet.read_table(output / table).to_pylist(), key=lambda row: (row["photo"], row.get("face", 0)))


def test_every_photo_has_a_row_and_every_face(archive: Path, tmp_path: Path, settings: Settings) -> None:
    told: list[Progress] = []
    result = score(archive, tmp_path / "out", workers=0, settings=settings, progress=told.append)
    assert (result.photos, result.faces, result.failed, result.scored) == (7, 3, 2, 7)
    assert count(tmp_path / "out") == {"photos": 7, "faces": 3, "failed": 2, "killed": 0}
    photos = rows(tmp_path / "out", "photos")
    names = ["a.jpg", "c.jpg", "shard.tar", "shard.tar", "shard.tar", "torn.jpg", "b.jpg"]
    assert [Path(row["path"]).name for row in photos] == names
    assert [row["member"] for row in photos] == [None, None, "x.jpg", "x.jpg", "y.png", None, None]
    assert [row["faces"] for row in photos] == [1, 0, 1, 0, 0, 0, 1]
    assert "not a picture" in photos[4]["error"]
    assert "damaged or truncated" in photos[5]["error"]
    assert (told[-1].photos, told[-1].of, told[-1].seconds_left) == (7, 7, 0.0)


def test_faces_are_those_of_predict(archive: Path, tmp_path: Path, settings: Settings) -> None:
    score(archive, tmp_path / "out", workers=0, settings=settings)
    face = rows(tmp_path / "out", "faces")[0]
    (wanted,) = Recognizer(settings.model, "fast", 1).predict(archive / "a.jpg").to_rows()
    assert face["expression"] == wanted["expression"]
    numbers = [name for name in face if isinstance(face[name], float)]
    assert [face[name] for name in numbers] == pytest.approx([wanted[name] for name in numbers], abs=1e-4)


def test_a_manifest_is_carried_along(archive: Path, tmp_path: Path, settings: Settings) -> None:
    lines = [
        "path,place,hour,code,width",
        "a.jpg,hall,8,007,1",
        f"{archive}/c.jpg,,9,008,2",
        ",gate,,009,3",
        "no.jpg,hall,1,1,4",
    ]
    (archive / "list.csv").write_text("\n".join(lines) + "\n")
    score(archive / "list.csv", tmp_path / "out", workers=0, settings=settings)
    photos = rows(tmp_path / "out", "photos")
    carried = [(row["place"], row["hour"], row["code"], row["source_width"]) for row in photos]
    assert carried == [("hall", 8, "007", 1), (None, 9, "008", 2), ("gate", None, "009", 3), ("hall", 1, "1", 4)]
    assert [row["error"] and row["error"].split(": ", 1)[1] for row in photos] == [
        None,
        None,
        "row 3 names no photo",
        "no such file; check the path",
    ]


def test_parquet_with_pictures(archive: Path, tmp_path: Path, settings: Settings, portrait: bytes, grey: bytes) -> None:
    images = [{"bytes": portrait, "path": "p"}, {"bytes": grey, "path": None}, None, {"bytes": portrait, "path": "q"}]
    table = pa.table({"image": images, "place": ["a", "b", "c", "d"]})
    parquet.write_table(table, tmp_path / "pictures.parquet", row_group_size=2)
    score(tmp_path / "pictures.parquet", tmp_path / "out", workers=0, settings=settings)
    photos = rows(tmp_path / "out", "photos")
    assert [(row["offset"], row["place"], row["faces"]) for row in photos] == [
        (0, "a", 1),
        (1, "b", 0),
        (2, "c", 0),
        (3, "d", 1),
    ]
    assert photos[2]["error"].endswith("row 2: no bytes in this row")


def test_a_parquet_manifest_and_a_list(archive: Path, tmp_path: Path, settings: Settings) -> None:
    parquet.write_table(pa.table({"file": ["archive/a.jpg"], "hour": pa.array([7], pa.int8())}), tmp_path / "m.parquet")
    score(tmp_path / "m.parquet", tmp_path / "one", workers=0, settings=replace(settings, path_column="file"))
    assert parquet.read_table(tmp_path / "one" / "photos").schema.field("hour").type == pa.int8()
    (tmp_path / "list.txt").write_text("archive/a.jpg\n\narchive/c.jpg\n")
    assert score(tmp_path / "list.txt", tmp_path / "two", workers=0, settings=settings).photos == 2


def test_a_truncated_tar_gives_what_it_has(archive: Path, tmp_path: Path, settings: Settings) -> None:
    shard = archive / "shard.tar"
    with tarfile.open(shard) as tar:
        end = tar.getmembers()[2].offset_data + 100
    shard.write_bytes(shard.read_bytes()[:end])
    score(shard, tmp_path / "out", workers=0, settings=settings)
    photos = rows(tmp_path / "out", "photos")
    assert [(row["member"], row["faces"]) for row in photos] == [("x.jpg", 1), ("x.jpg", 0), (None, 0)]
    assert photos[1]["error"].endswith("shard.tar::x.jpg: the tar ends within this picture")
    assert "the rest of this tar cannot be read" in photos[2]["error"]


def test_a_name_that_is_not_unicode_is_told(archive: Path, tmp_path: Path, settings: Settings, grey: bytes) -> None:
    Path(os.fsdecode(os.fsencode(archive / "deep") + b"/caf\xe9.jpg")).write_bytes(grey)
    score(archive / "deep", tmp_path / "out", workers=0, settings=settings)
    assert rows(tmp_path / "out", "photos")[1]["error"].endswith(
        "caf\\udce9.jpg: the name is not Unicode; rename the file"
    )


def test_what_is_no_regular_file_or_too_large_is_an_error(archive: Path, tmp_path: Path, settings: Settings) -> None:
    os.mkfifo(archive / "pipe.jpg")
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(archive / "large.png")
    score(archive, tmp_path / "out", workers=0, settings=replace(settings, max_pixels=128 * 128))
    errors = {Path(row["path"]).name: row["error"] for row in rows(tmp_path / "out", "photos")}
    assert "is not a regular file" in errors["pipe.jpg"]
    assert "200 x 200 pixels; the limit is" in errors["large.png"]


def test_done_again_is_only_what_is_not_done(archive: Path, tmp_path: Path, settings: Settings, grey: bytes) -> None:
    for number in range(40):
        (archive / f"n{number:02d}.jpg").write_bytes(grey)
    output = tmp_path / "out"
    assert score(archive, output, workers=0, settings=settings).scored == 47
    before = {path: path.read_bytes() for path in (output / "faces").iterdir()}
    assert score(archive, output, workers=0, settings=settings).scored == 0
    _forget(output, "receipts", "0000000.json")
    _forget(output, "photos", "0000001.parquet")
    (output / "photos" / ".partial-1.parquet").write_bytes(b"cut off")
    assert score(archive, output, workers=0, settings=settings).scored == 32
    assert count(output)["photos"] == 47
    assert {path: path.read_bytes() for path in (output / "faces").iterdir()} == before


class Stop:
    """Ends a run by Ctrl-C once something is done."""

    def __call__(self, told: Progress) -> None:
        if told.photos > told.before:
            raise KeyboardInterrupt


@pytest.mark.parametrize("aggregate_only", [False, True])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    aggregate_only: bool, archive: Path, tmp_path: Path, settings: Settings, portrait: bytes
) -> None:
    for number in range(30):
        (archive / f"n{number:02d}.jpg").write_bytes(portrait)
    asked = replace(settings, aggregate_only=aggregate_only)
    with pytest.raises(KeyboardInterrupt) as stop:
        score(archive, tmp_path / "stopped", workers=0, settings=asked, progress=Stop())
    assert stop.value.__notes__ == [f"what was scored is kept in {tmp_path / 'stopped'}, and the same command goes on"]
    assert not list((tmp_path / "stopped" / "attempts").iterdir())
    assert 0 < score(archive, tmp_path / "stopped", workers=0, settings=asked).scored < 37
    score(archive, tmp_path / "whole", workers=0, settings=asked)
    tables = ["groups.parquet"] if aggregate_only else ["faces", "photos"]
    for table in tables:
        whole, stopped = (parquet.read_table(tmp_path / name / table) for name in ("whole", "stopped"))
        kept = [name for name in whole.column_names if name != "seconds"]
        assert whole.select(kept) == stopped.select(kept)


def _forget(output: Path, folder: str, end: str) -> None:
    """As if the run had been killed before it wrote this."""
    (path,) = (output / folder).glob(f"*{end}")
    path.unlink()
    manifest = json.loads((output / "manifest.json").read_text())
    (output / "manifest.json").write_text(json.dumps({**manifest, "complete": False}))


def test_other_requests_are_refused_by_name(archive: Path, tmp_path: Path, settings: Settings) -> None:
    output = tmp_path / "out"
    score(archive, output, workers=0, settings=settings)
    with pytest.raises(FsrferError, match=r"min_face was 6\.0, is 9\.0\); choose another folder"):
        score(archive, output, workers=0, settings=replace(settings, min_face=9.0))
    with pytest.raises(FsrferError, match="source was"):
        score(archive / "deep", output, workers=0, settings=settings)
    with pytest.raises(FsrferError, match="model was"):
        score(archive, output, workers=0, settings=replace(settings, model="fast"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"engine": "dask"}, "use local or ray"),
        ({"address": "10.0.0.1:6379"}, "add --engine ray"),
        ({"engine": "ray", "address": "ray://head:10001"}, "ray job submit"),
        ({"settings": Settings(by="place")}, "--aggregate-only"),
    ],
)
def test_requests_without_sense(archive: Path, tmp_path: Path, more: dict, message: str) -> None:
    with pytest.raises(FsrferError, match=message):
        score(archive, tmp_path / "out", **more)


def test_sources_without_photos(tmp_path: Path, settings: Settings) -> None:
    for source, message in ((tmp_path / "none", "no such file"), (tmp_path, "no pictures, tars or Parquet")):
        with pytest.raises(FsrferError, match=message):
            score(source, tmp_path / "out", workers=0, settings=settings)
    (tmp_path / "m.csv").write_text("file\na.jpg\n")
    with pytest.raises(FsrferError, match="--path-column"):
        score(tmp_path / "m.csv", tmp_path / "out", workers=0, settings=settings)
    assert not (tmp_path / "out").exists()


def test_memory_is_a_store_too(archive: Path, settings: Settings, portrait: bytes) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/photos/deep/a.jpg", portrait)
    memory.pipe_file("/photos/shard.tar", (archive / "shard.tar").read_bytes())
    result = score("memory://photos", "memory://scored", settings=settings)
    assert (result.photos, result.faces, result.failed) == (4, 2, 1)
    (part,) = memory.ls("/scored/photos", detail=False)
    assert parquet.read_table(memory.open(part)).num_rows == 4


def test_groups_alone_tell_nothing_of_photos(
    archive: Path, tmp_path: Path, settings: Settings, portrait: bytes
) -> None:
    lines = ["path,place"] + [
        f"{name}.jpg,{place}" for place, count in (("hall", 6), ("gate", 4)) for name in "a" * count
    ]
    (archive / "list.csv").write_text("\n".join([*lines, "torn.jpg,hall"]) + "\n")
    output = tmp_path / "out"
    asked = replace(settings, aggregate_only=True, by="place")
    result = score(archive / "list.csv", output, workers=0, settings=asked)
    assert (result.photos, result.faces) == (11, None)
    gate, hall = parquet.read_table(output / "groups.parquet").to_pylist()
    assert (gate["group"], gate["photos"], gate["withheld"]) == ("gate", 4, True)
    assert {value for name, value in gate.items() if name not in ("group", "photos", "withheld")} == {None}
    assert (hall["photos"], hall["failed"], hall["faces"], hall["withheld"]) == (7, 1, 6, False)
    assert sum(hall[name] for name in settings_expressions()) == pytest.approx(1, abs=1e-3)
    left = [path for path in output.rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == ["groups.parquet", "manifest.json"]
    assert not any(b"a.jpg" in path.read_bytes() for path in left)
    assert score(archive / "list.csv", output, workers=0, settings=asked).scored == 0
    with pytest.raises(FsrferError, match="no such column; it has place, folder"):
        score(archive / "list.csv", tmp_path / "other", workers=0, settings=replace(asked, by="hour"))


def settings_expressions() -> tuple[str, ...]:
    from fsrfer.labels import EXPRESSIONS

    return EXPRESSIONS


def test_golden_answers_tell_machines_apart(toy: Path) -> None:
    from fsrfer.recognition.model import ExpressionModel

    model = ExpressionModel(toy, 1)
    answers = golden_answers(model)
    require_golden(model, answers)
    answers[3][2] += 0.01
    with pytest.raises(FsrferError, match="differently on this machine"):
        require_golden(model, answers)


def test_another_machine_goes_on_only_with_the_same_answers(archive: Path, tmp_path: Path, settings: Settings) -> None:
    output = tmp_path / "out"
    score(archive, output, workers=0, settings=settings)
    _forget(output, "receipts", "0000000.json")
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["golden"][3][2] += 0.01  # as if the run had begun on a machine that answers so
    (output / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FsrferError, match="differently on this machine"):
        score(archive, output, workers=0, settings=settings)


def test_photos_in_a_process_of_their_own_give_the_same_rows(archive: Path, tmp_path: Path, settings: Settings) -> None:
    output = tmp_path / "out"
    score(archive, output, workers=0, settings=settings)
    before = rows(output, "faces"), rows(output, "photos")
    _forget(output, "receipts", "0000000.json")
    key = json.loads((output / "manifest.json").read_text())["key"]
    for attempt in (1, 2):  # as if two workers had died over the chunk
        (output / "attempts" / f"{key}-0000000.{attempt}").write_bytes(b"")
    assert score(archive, output, workers=0, settings=settings).scored == 7
    assert rows(output, "faces") == before[0]
    assert [{**row, "seconds": 0} for row in rows(output, "photos")] == [{**row, "seconds": 0} for row in before[1]]
    assert count(output)["photos"] == 7


def test_a_chunk_is_isolated_after_two_deaths() -> None:
    assert [Task(0, 0, 0, 16, attempt).isolated for attempt in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(("module", "extra"), [("fsspec", "score"), ("pyarrow", "score"), ("ray", "ray")])
def test_missing_extras_are_one_line(
    module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["score", str(tmp_path), "-o", str(tmp_path / "out"), "--engine", "ray"]) == 2
    told = f"fsrfer: error: this needs the package '{module}'; install it with: pip install 'fsrfer[{extra}]'\n"
    assert capsys.readouterr().err == told


def test_groups_may_be_folders(archive: Path, tmp_path: Path, settings: Settings) -> None:
    asked = replace(settings, aggregate_only=True, by="folder", min_group=1)
    score(archive, tmp_path / "out", workers=0, settings=asked)
    groups = parquet.read_table(tmp_path / "out" / "groups.parquet").to_pylist()
    names = [str(archive), str(archive / "deep"), str(archive / "shard.tar")]
    assert [(row["group"], row["photos"], row["faces"]) for row in groups] == list(
        zip(names, (3, 1, 3), (1, 1, 1), strict=True)
    )
