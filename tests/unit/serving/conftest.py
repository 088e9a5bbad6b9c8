"""One service with a toy model for all tests of its routes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fsrfer.serving.app import guarded
from fsrfer.serving.service import Service
from fsrfer.serving.settings import ServiceSettings
from support.uploads import TOKEN, as_file


@pytest.fixture(scope="session")
def service(toy: Path) -> Service:
    """One worker, low limits."""
    settings = ServiceSettings(
        token=TOKEN, model=toy, workers=1, max_pixels=2_000_000, max_upload=1_000_000, max_pictures=4, queue=8
    )
    return Service(settings)


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[TestClient]:
    """A client that shows the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(guarded(service), base_url="http://localhost", headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def portrait(photos: Path) -> bytes:
    """A photo of one face, small enough for the service's limits."""
    with Image.open(photos / "grey_one_face.jpg") as photo:
        return as_file(np.asarray(photo.convert("RGB").resize((640, 478))))
