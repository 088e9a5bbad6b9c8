import pytest
import torch

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
    with pytest.raises(TrainingError, match="--precision 7-bits: "):
        open_fabric(1, 1, "7-bits")
