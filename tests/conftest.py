"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

from support.toy_model import write_toy

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Give each of several test processes a processor of its own, or their networks' threads wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # commands that tests run are not measured: it would slow them down
    if hasattr(os, "sched_setaffinity"):
        granted = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {granted[int(worker.removeprefix("gw")) % len(granted)]})


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data beside the repository; tests that need it are skipped without it."""
    folder = Path(os.environ.get("FSRFER_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the development data are not at {folder} (set FSRFER_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def photos(shared_data: Path) -> Path:
    """The development photos."""
    folder = shared_data / "photos"
    if not folder.is_dir():
        pytest.skip(f"there are no photos at {folder}")
    return folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model file."""
    return write_toy(tmp_path_factory.mktemp("model") / "toy.onnx")


@pytest.fixture(scope="session")
def fabric():
    """One process on the CPU, in 32 bits."""
    from fsrfer.training.compute import open_fabric  # heavy, and not for every test

    return open_fabric(1, 1, "32-true")
