"""What users write: boxes, recipes, and tables of labels in the layouts that are read."""

import tempfile
from importlib import resources
from pathlib import Path

from fsrfer.data import readers
from fsrfer.recipes.schema import bundled_recipes, load_recipe
from fsrfer.recognition.boxes import read_boxes, user_boxes

BOXES = (
    b'{"a.jpg": [[1, 2, 30, 40], [5.5, 6, 70, 80]], "b.jpg": []}',
    b"[[1, 2, 30, 40]]",
    b"source,x1,y1,x2,y2\na.jpg,1,2,30,40\na.jpg,5,6,7,8\nb.jpg,,,,\n",
)

TABLES = {
    "manifest": ("table.csv", b"file,label,split\na.png,happy,train\nb.png,fear,val\n\xc3\xbc.png,anger,test\n"),
    "fer2013": ("fer2013.csv", b"emotion,pixels,Usage\n3," + b" ".join([b"7"] * 2304) + b",Training\n"),
    "ferplus": (
        "FER2013Train/label.csv",
        b'a.png,"(0, 0, 48, 48)",1,0,0,0,8,0,1,0,0,0\nb.png,"(0, 0, 48, 48)",0,9,0,0,0,0,0,0,0,1\n',
    ),
    "rafdb": ("basic/EmoLabel/list_patition_label.txt", b"train_00001.jpg 5\ntest_0001.jpg 2\n"),
}


def box_seeds(_folder: Path) -> list[bytes]:
    """Files of boxes."""
    return list(BOXES)


def attempt_boxes(data: bytes, path: Path) -> None:
    """Read boxes, under either suffix.

    Raises:
        InputError: as it should.
    """
    target = path.with_suffix(".csv" if data.startswith((b"s", b"S")) else ".json")
    target.write_bytes(data)
    photos = ["a.jpg", "b.jpg"] if b"a.jpg" in data else ["a.jpg"]
    boxes = read_boxes(target, photos)
    for photo in photos:
        user_boxes(boxes.boxes_for(photo), 100, 100, photo)


def recipe_seeds(_folder: Path) -> list[bytes]:
    """The bundled recipes."""
    folder = resources.files("fsrfer.recipes")
    return [(folder / f"{name}.toml").read_bytes() for name in bundled_recipes()]


def attempt_recipe(data: bytes, path: Path) -> None:
    """Load a recipe.

    Raises:
        RecipeError: as it should.
    """
    path.write_bytes(data)
    load_recipe(str(path))


def table_seeds(_folder: Path) -> list[bytes]:
    """Tables of labels, each behind the name of its reader."""
    return [name.encode() + b"\0" + content for name, (_, content) in TABLES.items()]


def attempt_table(data: bytes, path: Path) -> None:
    """Read a table of labels.

    Raises:
        DataError: as it should.
    """
    name, _, content = data.partition(b"\0")
    reader = name.decode("latin-1") if name.decode("latin-1") in TABLES else "manifest"
    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        table = Path(root) / TABLES[reader][0]
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_bytes(content)
        (Path(root) / "basic/Image/aligned").mkdir(parents=True, exist_ok=True)
        for folder in (table.parent, Path(root) / "basic/Image/aligned"):
            for picture in ("a.png", "b.png", "ü.png", "train_00001_aligned.jpg", "test_0001_aligned.jpg"):
                (folder / picture).touch()
        readers.read(reader, table if reader == "manifest" else Path(root), "train")
