"""What every network promises, whatever it is for."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fsrfer.networks.covpool import CovPoolExtractor, CovPoolHead, CovPoolModel
from fsrfer.networks.discriminator import FeatureDiscriminator
from fsrfer.networks.ensemble import Ensemble
from fsrfer.networks.expression import ExpressionNetwork
from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.residual import ResidualNet
from fsrfer.networks.sr import ImageSuperResolver


@dataclass(frozen=True)
class Case:
    """A small network, the shape of one input, and those of its outputs, one after the other."""

    make: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    output_shapes: tuple[tuple[int, ...], ...]


def tiny_residual(**settings) -> ResidualNet:
    return ResidualNet(size=24, stem=4, widths=(8, 12), blocks=(1, 1), dropout=0.0, **settings)


class LogitsAndSizes(nn.Module):
    """Logits and every network's estimate of the size, for each has parameters of its own."""

    def __init__(self, network: ExpressionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        members = [module for module in self.network.modules() if isinstance(module, ResidualNet)]
        return self.network(faces), *(member.analyse(faces).log2_px for member in members)


CASES = {
    "extractor": Case(lambda: CovPoolExtractor(widths=(4, 4, 8, 8, 16, 16), bimap_dim=8), (3, 50, 50), ((1, 8, 8),)),
    "head": Case(lambda: CovPoolHead(64, widths=(32, 16)), (1, 8, 8), ((7,), (7,), (16,))),
    "generator": Case(lambda: FeatureGenerator(1, channels=8, growth=4, blocks=1), (1, 16, 16), ((1, 16, 16),)),
    "generator of maps": Case(
        lambda: FeatureGenerator(6, channels=8, growth=4, blocks=1, kernel=3), (6, 5, 7), ((6, 5, 7),)
    ),
    "residual": Case(lambda: LogitsAndSizes(tiny_residual()), (1, 24, 24), ((7,), ())),
    "residual, coarse, its places weighed": Case(
        lambda: LogitsAndSizes(tiny_residual(stem_stride=2, placed=True)), (1, 24, 24), ((7,), ())
    ),
    "residual with generator": Case(
        lambda: LogitsAndSizes(tiny_residual(uplift_hidden=4, uplift_blocks=2)), (1, 24, 24), ((7,), ())
    ),
    "ensemble": Case(
        lambda: LogitsAndSizes(Ensemble([tiny_residual(), tiny_residual(stem_stride=2)])), (1, 24, 24), ((7,), (), ())
    ),
    "covpool model": Case(
        lambda: CovPoolModel(CovPoolExtractor(1, (4, 4, 8, 8, 16, 16), 8), CovPoolHead(64, (32, 16))),
        (1, 48, 48),
        ((7,),),
    ),
    "discriminator": Case(lambda: FeatureDiscriminator((1, 16, 16), (4, 8)), (1, 16, 16), ((),)),
    "discriminator of maps": Case(lambda: FeatureDiscriminator((6, 5, 7), (4, 8)), (6, 5, 7), ((),)),
    "image super-resolution": Case(lambda: ImageSuperResolver(channels=8, blocks=2), (3, 25, 24), ((3, 25, 24),)),
}


@pytest.fixture(params=CASES)
def case(request) -> Case:
    torch.manual_seed(0)
    return CASES[request.param]


def batch_for(case: Case) -> Tensor:
    return torch.rand(4, *case.input_shape, generator=torch.Generator().manual_seed(1))


def outputs(network: nn.Module, batch: Tensor) -> tuple[Tensor, ...]:
    output = network(batch)
    return (output,) if isinstance(output, Tensor) else tuple(output)


def trained_a_little(case: Case) -> nn.Module:
    """Weights and running statistics that are no longer the initial ones."""
    network = case.make()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        sum(output.square().mean() for output in outputs(network, batch_for(case))).backward()
        optimizer.step()
    return network.eval()


@pytest.mark.parametrize("training", [True, False])
def test_shapes(case, training):
    found = outputs(case.make().train(training), batch_for(case))
    assert tuple(output.shape[1:] for output in found) == case.output_shapes
    assert all(output.shape[0] == 4 and output.isfinite().all() for output in found)


def test_every_parameter_and_the_input_get_a_finite_gradient(case):
    network, batch = case.make().train(), batch_for(case).requires_grad_()
    sum(output.square().mean() for output in outputs(network, batch)).backward()
    for name, parameter in [*network.named_parameters(), ("input", batch)]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_every_parameter_learns(case):
    network = case.make()
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(2):  # a last layer of zeros lets the others learn from the second step on
        optimizer.zero_grad()
        sum((output - 0.3).pow(3).mean() for output in outputs(network, batch_for(case))).backward()
        optimizer.step()
    for name, parameter in network.named_parameters():
        assert not torch.equal(parameter, before[name]), name


def test_safetensors_bring_everything_back(case, tmp_path):
    network = trained_a_little(case)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(2)
    again = case.make()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    batch = batch_for(case)
    for expected, found in zip(outputs(network, batch), outputs(again.eval(), batch), strict=True):
        assert torch.equal(expected, found)


def test_same_seed_same_network(case):
    batch = batch_for(case)
    torch.manual_seed(3)
    first = outputs(case.make(), batch)
    torch.manual_seed(3)
    second = outputs(case.make(), batch)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_evaluation_is_deterministic_and_leaves_no_trace(case):
    network, batch = trained_a_little(case), batch_for(case)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = outputs(network, batch), outputs(network, batch)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in state.items())


def test_one_face_gets_the_same_alone_as_in_a_batch(case):
    network, batch = trained_a_little(case), batch_for(case)
    together = outputs(network, batch)
    alone = [torch.cat(parts) for parts in zip(*(outputs(network, batch[i : i + 1]) for i in range(4)), strict=True)]
    for expected, found in zip(together, alone, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
