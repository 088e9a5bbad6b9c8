"""A small archive, made once: photos of a bundled portrait, broken files, a tar, a manifest."""

import io
from pathlib import Path

import pytest
from PIL import Image

from fsrfer.cli.demo import bundled_portrait
from fsrfer.scoring import Settings
from support.archives import write_tar


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """A photo of one face, as the bytes of a JPEG file."""
    return jpeg(Image.open(bundled_portrait()).convert("RGB").resize((128, 128)))


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


@pytest.fixture(scope="session")
def grey() -> bytes:
    """A photo of nobody."""
    return jpeg(Image.new("RGB", (96, 64), (128, 128, 128)))


@pytest.fixture
def archive(tmp_path: Path, portrait: bytes, grey: bytes) -> Path:
    """Two faces, one photo of nobody, a broken one and a tar of three members, two of one name."""
    folder = tmp_path / "archive"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(portrait)
    (folder / "deep" / "b.jpg").write_bytes(portrait)
    (folder / "c.jpg").write_bytes(grey)
    (folder / "torn.jpg").write_bytes(portrait[:400])
    write_tar(folder / "shard.tar", [("x.jpg", portrait), ("x.json", b"{}"), ("x.jpg", grey), ("y.png", b"nothing")])
    return folder


@pytest.fixture
def settings(toy: Path) -> Settings:
    """The toy model, and the quickest detector."""
    return Settings(model=str(toy), detector="fast")
