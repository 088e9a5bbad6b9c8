from pathlib import Path

import pytest

from fsrfer.errors import InputError
from fsrfer.recognition.boxes import read_boxes


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_json_by_source_or_by_file_name(tmp_path: Path) -> None:
    path = written(tmp_path, "boxes.json", '{"a/fête.jpg": [[1, 2, 3.5, 4]], "b.jpg": [], "x/b.jpg": [[0, 0, 9, 9]]}')
    boxes = read_boxes(path, photos=["a/fête.jpg", "elsewhere/b.jpg", "x/b.jpg"])
    assert boxes.boxes_for("a/fête.jpg") == [[1, 2, 3.5, 4]]
    assert boxes.boxes_for("elsewhere/b.jpg") == []
    assert boxes.boxes_for("x/b.jpg") == [[0, 0, 9, 9]]
    with pytest.raises(InputError, match=r"^c\.jpg: "):
        boxes.boxes_for("c.jpg")


def test_a_bare_list_serves_a_single_photo(tmp_path: Path) -> None:
    path = written(tmp_path, "boxes.json", "[[1, 2, 3, 4]]")
    assert read_boxes(path, photos=["any.jpg"]).boxes_for("any.jpg") == [[1, 2, 3, 4]]
    with pytest.raises(InputError, match="one photo, not 2"):
        read_boxes(path, photos=["a.jpg", "nobody.jpg"])


def test_csv_with_a_row_a_face(tmp_path: Path) -> None:
    text = "\ufeffsource,x1,y1,x2,y2,note\r\na.jpg,1,2,3,4,first\r\na.jpg,5,6,7,8,\r\nnobody.jpg,,,,,\r\n"
    boxes = read_boxes(written(tmp_path, "boxes.CSV", text), photos=["a.jpg", "nobody.jpg"])
    assert boxes.boxes_for("a.jpg") == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert boxes.boxes_for("nobody.jpg") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("boxes.json", "{"),
        ("boxes.json", "3"),
        ("boxes.json", '{"a.jpg": 3}'),
        ("boxes.json", '{"a.jpg": [[1, 2, 3]]}'),
        ("boxes.json", '{"a.jpg": [[1, 2, 3, "4"]]}'),
        ("boxes.json", '{"a.jpg": [[1, 2, 3, true]]}'),
        ("boxes.json", "[" * 100_000),
        ("boxes.csv", ""),
        ("boxes.csv", "source,x1,y1,x2\na,1,2,3\n"),
        ("boxes.csv", "source,x1,y1,x2,y2\na,1,2,3\n"),
        ("boxes.csv", "source,x1,y1,x2,y2\na,1,2,three,4\n"),
    ],
)
def test_what_is_no_file_of_boxes_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        read_boxes(written(tmp_path, name, text), photos=["any.jpg"])
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "binary.json"):
        with pytest.raises(InputError):
            read_boxes(path, photos=["any.jpg"])


def test_a_short_name_that_fits_two_photos_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "boxes.json", '{"a.jpg": [[1, 2, 3, 4]]}')
    with pytest.raises(InputError, match=r"a\.jpg fits one/a\.jpg and two/a\.jpg; name each by its whole path"):
        read_boxes(path, photos=["one/a.jpg", "two/a.jpg"])
    assert read_boxes(path, photos=["one/a.jpg", "b.jpg"]).boxes_for("one/a.jpg")
