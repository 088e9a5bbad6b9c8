"""What a service refuses to start with."""

from pathlib import Path

import pytest

from fsrfer.errors import InputError
from fsrfer.serving.settings import ServiceSettings, is_loopback, read_token


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    ServiceSettings(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_a_network_needs_one(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(InputError, match="--token-file"):
        ServiceSettings(host=host).check()
    ServiceSettings(host=host, token="x" * 16).check()


def test_the_first_line_is_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\nnot this\n")
    settings = ServiceSettings(token=read_token(file))
    assert settings.admits(b"0123456789abcdef")
    assert not settings.admits(b"0123456789abcdeg")
    assert not settings.admits("\u00e9".encode())
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize("text", ["", "short", "with spaces in the token", "\u00e9" * 20])
def test_tokens_that_are_easily_guessed_or_mistyped_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="openssl rand"):
        read_token(file)


def test_a_token_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_token(tmp_path / "none")


def test_a_service_answers_to_its_address_and_the_names_it_was_told() -> None:
    hosts = ServiceSettings(host="::1", allowed_hosts=("Faces.example.org",)).hosts
    assert {"localhost", "127.0.0.1", "[::1]", "faces.example.org"} <= hosts
