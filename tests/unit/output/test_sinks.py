import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.errors import InputError
from fsrfer.group.counting import count_group
from fsrfer.labels import EXPRESSIONS, by_name
from fsrfer.output.sinks import AnnotatedPhotos, format_for, open_crop_sink, open_photo_sink
from fsrfer.output.terminal import printable
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.types import Expression, Face, UInt8Image

PROBABILITIES = by_name([0.04, 0.04, 0.04, 0.76, 0.04, 0.04, 0.04])


def photo(source: str, faces: int = 1, shade: int = 100, effective_px: float | None = None) -> PhotoResult:
    box = (5.0, 6.0, 25.0, 31.0)
    face = Face(box, 0.9, None, 25.0, "happiness", 0.76, PROBABILITIES, True, effective_px=effective_px)
    many = (face,) * faces
    picture: UInt8Image = np.full((60, 80, 3), shade, np.uint8)
    return PhotoResult(source, 80, 60, many, count_group(many), picture=picture)


PHOTOS = [
    photo('crowd, "big" 顔.jpg', 2),
    photo("empty.jpg", 0),
    PhotoResult.failed("gone.jpg", "gone.jpg: no such file"),
]
CROPS = [
    CropResult("a.png", Expression(9.0, "happiness", 0.76, PROBABILITIES, True)),
    CropResult("b.png", None, "b.png: empty"),
]


def write(path: Path, results: list[PhotoResult] | list[CropResult], chosen: str) -> str:
    opened = open_photo_sink if isinstance(results[0], PhotoResult) else open_crop_sink
    with opened(chosen, path) as sink:
        for result in results:
            sink.write(result)
    return path.read_text(encoding="utf-8")


def test_json_lines_have_one_object_a_photo(tmp_path: Path) -> None:
    lines = write(tmp_path / "out.jsonl", PHOTOS, "json").splitlines()
    assert [json.loads(line) for line in lines] == [result.to_dict() for result in PHOTOS]
    assert "顔" in lines[0]


def test_csv_has_one_row_a_face_and_one_for_a_photo_without(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(write(tmp_path / "out.csv", PHOTOS, "csv"))))
    assert [row["source"] for row in rows] == [PHOTOS[0].source] * 2 + ["empty.jpg", "gone.jpg"]
    assert [row["expression"] for row in rows] == ["happiness", "happiness", "", ""]
    assert [row["certain"] for row in rows] == ["true", "true", "", ""]
    assert [row["error"] for row in rows] == ["", "", "", "gone.jpg: no such file"]
    assert float(rows[0]["happiness"]) == 0.76


def test_crops_have_one_row_each_in_every_format(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(write(tmp_path / "out.csv", CROPS, "csv"))))
    assert [row["file"] for row in rows] == ["a.png", "b.png"]
    assert set(rows[0]) >= {"file", "size_px", "expression", "probability", "certain", "error", *EXPRESSIONS}
    lines = [json.loads(line) for line in write(tmp_path / "out.json", CROPS, "json").splitlines()]
    assert [line["error"] for line in lines] == [None, "b.png: empty"]
    assert lines[0]["probabilities"] == PROBABILITIES
    table = write(tmp_path / "out.txt", CROPS, "table")
    assert [name for name in ("a.png", "b.png") if name in table] == ["a.png", "b.png"]


def test_the_table_shows_faces_summaries_and_errors(tmp_path: Path) -> None:
    table = write(tmp_path / "out.txt", PHOTOS, "table")
    for text in ("顔", "happiness", "76%", "2 faces, 0 uncertain", "no faces found", "no such file"):
        assert text in table
    assert "\x1b" not in table


def columns_of(table: str) -> list[list[str]]:
    """Cells of a table's lines, where columns are at least two spaces apart."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]


def test_tables_show_effective_heights_only_of_models_that_estimate_them(tmp_path: Path) -> None:
    estimated = columns_of(write(tmp_path / "a.txt", [photo("a.jpg", effective_px=9.6)], "table"))
    assert ["#", "height px", "effective px", "expression", "probability", "detection"] in estimated
    assert ["0", "25", "10", "happiness", "76%", "0.90"] in estimated
    plain = columns_of(write(tmp_path / "b.txt", [photo("a.jpg")], "table"))
    assert ["#", "height px", "expression", "probability", "detection"] in plain
    assert ["0", "25", "happiness", "76%", "0.90"] in plain


def test_the_table_of_crops_shows_effective_heights_beside_failures(tmp_path: Path) -> None:
    crop = CropResult("c.png", Expression(30.0, "happiness", 0.76, PROBABILITIES, True, 9.6))
    lines = columns_of(write(tmp_path / "out.txt", [crop, *CROPS], "table"))
    assert ["file", "height px", "effective px", "expression", "probability"] in lines
    assert ["c.png", "30", "10", "happiness", "76%"] in lines
    assert ["a.png", "9", "happiness", "76%"] in lines
    assert ["b.png", "b.png: empty"] in lines
    assert "effective px" not in write(tmp_path / "out.txt", CROPS, "table")


@pytest.mark.parametrize(("effective_px", "cell"), [(9.5, "9.5"), (None, "")])
def test_csv_has_effective_heights(tmp_path: Path, effective_px: float | None, cell: str) -> None:
    (row,) = csv.DictReader(
        io.StringIO(write(tmp_path / "out.csv", [photo("a.jpg", effective_px=effective_px)], "csv"))
    )
    assert row["effective_px"] == cell


def test_the_format_follows_the_suffix_unless_it_is_named() -> None:
    assert format_for(None, None) == "table"
    assert format_for(None, Path("a.CSV")) == "csv"
    assert format_for(None, Path("a.jsonl")) == "json"
    assert format_for("json", Path("a.csv")) == "json"
    assert format_for(None, Path("a.txt")) == format_for(None, Path("/dev/null")) == "table"
    for unknown in ("a.xlsx", "a.html"):
        with pytest.raises(
            InputError, match=r"no format is known by this name; use \.json, \.jsonl, \.ndjson, \.csv, \.txt"
        ):
            format_for(None, Path(unknown))
    assert format_for("csv", Path("a.xlsx")) == "csv"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(failure), open_photo_sink("csv", target) as sink:
        sink.write(PHOTOS[0])
        raise failure
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_name_that_is_no_unicode_comes_back_from_json(tmp_path: Path) -> None:
    name = "caf\udce9.jpg"
    assert json.loads(write(tmp_path / "out.json", [photo(name)], "json"))["source"] == name


def test_control_characters_cannot_reach_the_terminal(tmp_path: Path) -> None:
    name = "a\n\x1b[31mb.jpg"
    assert "\x1b" not in write(tmp_path / "out.txt", [photo(name)], "table")
    assert printable(name) == "a\\n\\x1b[31mb.jpg"
    assert printable("fête 顔.jpg") == "fête 顔.jpg"


def test_drawings_of_photos_with_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    sources = ["one/a.jpg", "two/a.jpg", "two/a.webp"]
    drawn = AnnotatedPhotos(tmp_path / "drawn", sources)
    rows = zip(sources, (10, 120, 240), strict=True)
    paths = [drawn.save(source, photo(source, shade=shade).annotated()) for source, shade in rows]
    assert [path.name for path in paths] == ["a.jpg", "a-2.jpg", "a.png"]
    shades = [np.median(np.asarray(Image.open(path))) for path in paths]
    assert shades == pytest.approx([10, 120, 240], abs=3)


def test_a_drawing_never_overwrites_a_photo(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (80, 60)).save(tmp_path / name)
    before = [(tmp_path / name).read_bytes() for name in ("a.png", "b.png")]
    drawn = AnnotatedPhotos(tmp_path, [str(tmp_path / name) for name in ("a.png", "b.png")])
    assert drawn.save(str(tmp_path / "a.png"), photo("a.png").annotated()).name == "a-2.png"
    assert [(tmp_path / name).read_bytes() for name in ("a.png", "b.png")] == before
