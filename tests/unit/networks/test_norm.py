"""Two gloo processes, each with a part of the batch, must do what one process does with all of it."""

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from fsrfer.networks.generator import FeatureGenerator
from fsrfer.networks.norm import BatchNorm1d, BatchNorm2d

PARTS = [slice(0, 3), slice(3, 4)]  # unequal parts: counts must be shared as well


def networks() -> dict[str, tuple[nn.Module, Tensor]]:
    torch.manual_seed(0)
    generator = FeatureGenerator(channels=4, growth=2, blocks=1, kernel=4, init_scale=1.0).double()
    offset = 100.0  # a mean far from zero shows up any cancellation
    maps = torch.randn(4, 3, 5, 5, dtype=torch.double) + offset
    vectors = torch.randn(4, 3, dtype=torch.double) + offset
    return {
        "maps": (nn.Sequential(BatchNorm2d(3), nn.Tanh(), nn.Conv2d(3, 2, 3)).double(), maps),
        "vectors": (nn.Sequential(BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)).double(), vectors),
        "generator": (generator, torch.randn(4, 1, 9, 9, dtype=torch.double)),
    }


def step(network: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """Outputs, summed gradients and state after one pass in training."""
    batch = batch.clone().requires_grad_()
    output = network.train()(batch)
    output.square().sum().backward()
    return {
        "output": output.detach(),
        "input.grad": batch.grad,
        **{f"{name}.grad": parameter.grad for name, parameter in network.named_parameters()},
        **network.state_dict(),
    }


def one_of_two_processes(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for name, (network, batch) in networks().items():
        results = step(network, batch[PARTS[rank]])
        for key in results:
            if key.endswith(".grad") and key != "input.grad":
                dist.all_reduce(results[key])
        torch.save(results, Path(folder) / f"{name}-{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(one_of_two_processes, (str(folder),), nprocs=2)
    return folder


@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")
@pytest.mark.skipif(os.name == "nt", reason="file rendezvous needs a POSIX path")
@pytest.mark.parametrize("name", ["maps", "vectors", "generator"])
def test_two_processes_equal_one(folder, name):
    together = step(*networks()[name])
    parts = [torch.load(folder / f"{name}-{rank}.pt") for rank in (0, 1)]
    for key, expected in together.items():
        if key in {"output", "input.grad"}:
            torch.testing.assert_close(torch.cat([part[key] for part in parts]), expected, rtol=1e-7, atol=1e-9)
        else:
            for part in parts:
                torch.testing.assert_close(part[key], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("ours", "torchs", "shape"),
    [(BatchNorm2d, nn.BatchNorm2d, (4, 3, 5, 5)), (BatchNorm1d, nn.BatchNorm1d, (4, 3))],
)
def test_one_process_is_torchs_own_layer(ours, torchs, shape):
    torch.manual_seed(0)
    ours, torchs, batch = ours(3), torchs(3), torch.randn(shape)
    for training in (True, False):
        torch.testing.assert_close(ours.train(training)(batch), torchs.train(training)(batch), rtol=0, atol=0)
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict(), rtol=0, atol=0)
