"""The documentation's examples run in a folder of their own that holds the files they speak of."""

import shutil
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _files_of_the_examples(request: pytest.FixtureRequest) -> None:
    """For pages alone: ``photo.jpg`` (one face), ``faces/a.png`` and ``faces/b.png`` (two crops); ``scored``, to query."""
    if not isinstance(request.node, pytest.DoctestItem) or request.node.path.suffix != ".md":
        return
    from fsrfer.cli.demo import bundled_portrait

    folder: Path = request.getfixturevalue("tmp_path")
    request.getfixturevalue("monkeypatch").chdir(folder)
    shutil.copy(bundled_portrait(), "photo.jpg")
    face = Image.open("photo.jpg").crop((182, 120, 354, 333))
    Path("faces").mkdir()
    for name, height in (("a", 40), ("b", 12)):
        face.resize((round(height * 0.8), height)).save(f"faces/{name}.png")
    if request.node.path.name == "query-scores.md":
        from support.scored import write_scored

        write_scored(Path("scored"))
