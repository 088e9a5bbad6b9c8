import csv

import pytest

from fsrfer.errors import DataError, InputError, RecipeError
from fsrfer.texts import open_text, read_text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("file,label\nä.png,happy\n", encoding="utf-8-sig")
    assert read_text(path) == "file,label\nä.png,happy\n"
    with open_text(path) as lines:
        assert list(csv.DictReader(lines)) == [{"file": "ä.png", "label": "happy"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\nb.png,sad\nä.png,happy\n".encode("cp1252"), r"a\.csv: line 3 is not UTF-8; save it as UTF-8"),
        ("file,label\n".encode("utf-16"), r"a\.csv: this is UTF-16; save it as UTF-8"),
    ],
)
def test_another_encoding_says_where_and_what_to_do(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        read_text(path, RecipeError)


def test_what_is_no_table_or_is_not_there_is_one_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"' + "x" * 200_000)
    with (
        pytest.raises(DataError, match=r"a\.csv: not a table of comma-separated values"),
        open_text(path, DataError) as lines,
    ):
        list(csv.reader(lines))
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "nothing.csv")
