from dataclasses import replace

import pytest

from fsrfer.errors import ModelError
from fsrfer.labels import EXPRESSIONS
from fsrfer.model_file import BLANK_SEAL, ModelInfo, seal, verify_seal

INFO = ModelInfo("m", "1", EXPRESSIONS, 48, "grey", 0.1, accuracy={"valid": {"x1": 0.5}})


def test_a_description_survives_json():
    assert ModelInfo.from_json(INFO.to_json(), "here") == INFO
    assert ModelInfo.from_json(replace(INFO, name="gesicht-ü").to_json(), "here").name == "gesicht-ü"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1}', '{"labels": null}'])
def test_a_broken_description_is_one_clear_line(text):
    with pytest.raises(ModelError, match="here: its description cannot be read"):
        ModelInfo.from_json(text, "here")


def test_a_description_of_the_future_says_update():
    text = INFO.to_json().replace('"name"', '"zeal": 1, "name"')
    with pytest.raises(ModelError, match="newer fsrfer"):
        ModelInfo.from_json(text, "here")


def test_a_sealed_file_verifies_and_any_changed_byte_shows():
    sealed = seal(b"weights " + BLANK_SEAL.encode() + b" more weights")
    assert len(verify_seal(sealed, "m.onnx")) == 64
    for position in (0, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(ModelError, match="m.onnx: the file is damaged"):
            verify_seal(bytes(changed), "m.onnx")


def test_a_foreign_file_is_told_apart_from_a_damaged_one():
    with pytest.raises(ModelError, match="m.onnx: not an fsrfer model; use one that `fsrfer train` wrote"):
        verify_seal(b"some other onnx file", "m.onnx")


def test_only_one_blank_seal_can_be_filled():
    with pytest.raises(ValueError, match="exactly one"):
        seal(b"nothing")
    with pytest.raises(ValueError, match="exactly one"):
        seal(2 * BLANK_SEAL.encode())
