"""A hub on this machine; whoever speaks to any other fails."""

import os
import socket
import sys

import pytest

from support.fake_hub import fake_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The hub, which the hub's package takes for the real one: it reads its environment when it is first imported."""
    with fake_hub() as hub, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            patch.delitem(sys.modules, name)
        for name in [name for name in os.environ if name.startswith("HF_")]:
            patch.delenv(name)
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_TOKEN", "hf_made_up")
        yield hub
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def reached(monkeypatch):
    """Every address that something connects to; only those of this machine let it."""
    reached = []
    plain = socket.socket.connect

    def connect(self, address):
        reached.append(address)
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            raise AssertionError(f"{address}: another machine was spoken to")
        return plain(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return reached
