import pytest
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from fsrfer.errors import TrainingError
from fsrfer.training.compute import fastest_precision, open_fabric


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": True, "amx_bf16": False}, "32-true"),
        ({"avx2": True}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_a_processor_computes_in_half_precision_only_where_it_is_faster(monkeypatch, processor, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    assert fastest_precision() == expected


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_computes_in_half_precision_where_it_has_it(monkeypatch, has_it, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_it)
    assert fastest_precision() == expected


def product(fabric):
    with fabric.autocast():
        return torch.ones(2, 2) @ torch.ones(2, 2)


def test_unless_told_a_fabric_computes_in_the_fastest_precision():
    expected = {"bf16-mixed": torch.bfloat16, "32-true": torch.float32}[fastest_precision()]
    assert product(open_fabric(1, 1)).dtype == product(open_fabric(1, 1, "auto")).dtype == expected


def test_told_a_precision_a_fabric_computes_in_it():
    assert product(open_fabric(1, 1, "32-true")).dtype == torch.float32
    assert product(open_fabric(1, 1, "bf16-mixed")).dtype == torch.bfloat16


@pytest.mark.parametrize("precision", ["7-bits", "16-mixed", "bf16-true", "transformer-engine"])
def test_precisions_that_a_training_would_not_keep_to_are_refused(precision):
    with pytest.raises(TrainingError, match=f"--precision {precision}: must be one of auto, 32-true, bf16-mixed"):
        open_fabric(1, 1, precision)


def test_more_devices_than_there_are_is_one_line(monkeypatch):
    def too_many(**_):
        raise MisconfigurationException("You requested gpu: [0, 1]\n But your machine only has: [0]")

    monkeypatch.setattr("fsrfer.training.compute.Machine", too_many)
    with pytest.raises(TrainingError, match=r"^--devices 2: You requested gpu: \[0, 1\]$"):
        open_fabric(2, 1)
