import pytest
import torch
from torch import nn

from fsrfer.training.muon import Muon, orthogonalised


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (9, 9)])
def test_every_direction_of_an_orthogonalised_matrix_counts_alike(shape):
    spread = torch.diag(torch.logspace(0, -1.5, min(shape)))
    left, right = torch.linalg.qr(matrix(shape[0], min(shape)))[0], torch.linalg.qr(matrix(shape[1], min(shape), 1))[0]
    turned = orthogonalised(left @ spread @ right.T)
    values = left.T @ turned @ right  # diagonal: the singular vectors have stayed
    assert (values - torch.diag(values.diagonal())).abs().max() < 0.01
    assert values.diagonal().min() > 0.6
    assert values.diagonal().max() < 1.3


def test_a_matrix_of_zeros_stays_so():
    assert torch.equal(orthogonalised(torch.zeros(3, 5)), torch.zeros(3, 5))


def kernels_and_the_rest(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 8, 3), nn.Flatten(), nn.Linear(8, 3))


def muon(network, weight_decay=0.0, **settings):
    kernels = [p for p in network.parameters() if p.ndim == 4]
    others = [p for p in network.parameters() if p.ndim < 4]
    groups = [{"params": kernels, "weight_decay": weight_decay, "orthogonal": True}, {"params": others}]
    return Muon(groups, **{"lr": 0.01, **settings})


def descend(network, optimizer, seed=0):
    optimizer.zero_grad()
    network(torch.randn(5, 2, 3, 3, generator=torch.Generator().manual_seed(seed))).square().sum().backward()
    optimizer.step()


def test_a_step_is_as_long_as_the_rate_however_large_the_gradient():
    for scale in (1e-3, 1e3):
        network = kernels_and_the_rest()
        before = network[0].weight.detach().clone()
        optimizer = muon(network)
        network[0].weight.grad = scale * matrix(8, 18).view(8, 2, 3, 3)
        optimizer.step()
        moved = (network[0].weight.detach() - before).square().mean().sqrt().item()
        assert moved == pytest.approx(0.01, rel=0.2)


def test_weights_decay_by_rate_times_decay():
    network = kernels_and_the_rest()
    before = network[0].weight.detach().clone()
    network[0].weight.grad = torch.zeros_like(before)
    muon(network, weight_decay=0.5).step()
    torch.testing.assert_close(network[0].weight.detach(), before * (1 - 0.01 * 0.5))


def test_the_first_step_goes_against_the_gradient_and_later_ones_remember_it():
    network = kernels_and_the_rest()
    optimizer = muon(network, momentum=0.5)
    first, second = (torch.zeros(8, 2, 3, 3) for _ in range(2))
    first[0, 0, 0, 0], second[1, 0, 0, 1] = 1.0, 1.0
    start = network[0].weight.detach().clone()
    network[0].weight.grad = first
    optimizer.step()
    middle = network[0].weight.detach().clone()
    assert torch.equal(torch.sign(start - middle), first)
    network[0].weight.grad = second
    optimizer.step()
    # By hand: momentum 0.5 * (0.5 g1) + 0.5 g2, looking ahead 0.5 g2 + 0.5 of it = 0.125 g1 + 0.75 g2: both places move.
    assert torch.equal(torch.sign(middle - network[0].weight.detach()), first + second)


def test_what_is_no_kernel_is_left_to_adamw():
    one, other = kernels_and_the_rest(), kernels_and_the_rest()
    for network in (one, other):
        network[0].weight.requires_grad_(False)
    groups = [{"params": [p for p in other.parameters() if p.requires_grad]}]
    adamw = torch.optim.AdamW(groups, lr=0.01, fused=True)
    first = muon(one)
    for step in range(3):
        descend(one, first, step)
        descend(other, adamw, step)
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))
