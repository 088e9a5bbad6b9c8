"""What every network that is exported promises: its model file gives what it gives itself, in torch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fsrfer.export.onnx import round_kernels, store_bytes, to_onnx
from fsrfer.networks.calibrated import Calibrated, RawNetwork
from fsrfer.networks.ensemble import Ensemble
from fsrfer.networks.residual import ResidualNet
from fsrfer.recognition.runtime import open_session
from fsrfer.types import Calibration

SIDE = 24


def tiny_network(**settings) -> ResidualNet:
    return ResidualNet(size=SIDE, stem=4, widths=(8, 12), blocks=(1, 1), **settings)


NETWORKS: dict[str, Callable[[], RawNetwork]] = {
    "plain": tiny_network,
    "colour": lambda: tiny_network(in_channels=3),
    "coarse": lambda: tiny_network(stem_stride=2),
    "placed, with generator": lambda: tiny_network(placed=True, uplift_hidden=4, uplift_blocks=2),
    "ensemble": lambda: Ensemble([tiny_network(), tiny_network(stem_stride=2)]),
}


def experienced(network: RawNetwork) -> Calibrated:
    """Calibrated, with weights and running statistics that are not the initial ones."""
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            torch.nn.init.normal_(parameter, 0.1, 0.2)
    round_kernels(network)
    members = network.analyse(torch.rand(8, channels(network), SIDE, SIDE) * 255).each.shape[1]
    weights = tuple((0.3 * member, -0.2 * member) for member in range(members))
    return Calibrated(network, Calibration((0.2, -0.3, 0.1), weights, tuple(0.1 * label for label in range(7)))).eval()


def channels(network: RawNetwork) -> int:
    return next(layer.in_channels for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))


@pytest.fixture(scope="module", params=NETWORKS)
def network(request) -> Calibrated:
    torch.manual_seed(0)
    return experienced(NETWORKS[request.param]())


@pytest.fixture(scope="module")
def session(network):
    graph = to_onnx(network, channels(network.network), SIDE)
    store_bytes(graph)
    return open_session(graph.SerializeToString(), "an exported network", threads=1)


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_runtime_gives_what_torch_gives(network, session, count):
    faces = torch.rand(count, channels(network.network), SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        expected = network(faces)
    found = session.run(None, {"faces": faces.numpy()})
    for one, other in zip(found, (expected,) if isinstance(expected, torch.Tensor) else expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-4)
