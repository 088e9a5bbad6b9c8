import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fsrfer.networks.spd import (
    LOGARITHM,
    RECTIFIER,
    BiMap,
    Spectral,
    covariance_pool,
    loewner_matrix,
    log_eig_of_re_eig,
    spectral_map,
)

re_eig, log_eig = (partial(spectral_map, function=function) for function in (RECTIFIER, LOGARITHM))


def symmetric(x: Tensor) -> Tensor:
    return (x + x.mT) / 2


def rotated(eigenvalues: list[float]) -> Tensor:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues), dtype=torch.double)).Q
    return (basis * torch.tensor(eigenvalues, dtype=torch.double)) @ basis.mT


def test_covariance_by_hand():
    maps = torch.tensor([[[[1.0, 2.0, 3.0]], [[0.0, 3.0, 0.0]]]])  # 1 x 2 x 1 x 3
    # means 2 and 1; centred (-1, 0, 1) and (-1, 2, -1); n - 1 = 2
    # variances (1+0+1)/2 = 1 and (1+4+1)/2 = 3; covariance (1+0-1)/2 = 0; trace 4
    expected = torch.tensor([[[1.0 + 4e-4, 0.0], [0.0, 3.0 + 4e-4]]])
    torch.testing.assert_close(covariance_pool(maps), expected)


def test_covariance_agrees_with_torch_and_is_positive_definite():
    torch.manual_seed(0)
    maps = torch.randn(2, 20, 3, 4, dtype=torch.double)  # fewer positions than channels
    covariance = covariance_pool(maps)
    plain = torch.stack([torch.cov(sample.flatten(1)) for sample in maps])
    trace = plain.diagonal(dim1=1, dim2=2).sum(1).view(-1, 1, 1)
    torch.testing.assert_close(covariance, plain + 1e-4 * trace * torch.eye(20, dtype=torch.double))
    assert torch.linalg.eigvalsh(covariance).min() > 0


def test_re_eig_clips_eigenvalues_only():
    matrix = rotated([1e-7, 0.5, 3.0, 2e5])
    clipped = re_eig(matrix[None])[0]
    torch.testing.assert_close(clipped, rotated([1e-4, 0.5, 3.0, 1e4]))


def test_log_eig_inverts_the_matrix_exponential():
    matrix = symmetric(torch.randn(3, 6, 6, dtype=torch.double, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(log_eig(torch.linalg.matrix_exp(matrix)), matrix)


def test_fused_layer_is_re_eig_then_log_eig():
    matrices = rotated([1e-7, 0.5, 3.0, 2e5])[None].requires_grad_()
    upstream = torch.randn(1, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    fused, chained = log_eig_of_re_eig(matrices), log_eig(re_eig(matrices))
    torch.testing.assert_close(fused, chained)
    (fused_grad,) = torch.autograd.grad(fused, matrices, upstream)
    (chained_grad,) = torch.autograd.grad(chained, matrices, upstream)
    torch.testing.assert_close(fused_grad, chained_grad)


@pytest.mark.parametrize(
    "eigenvalues",
    [
        pytest.param([0.3, 0.9, 2.0, 7.0], id="distinct"),
        pytest.param([1.0, 1.0, 1.0, 1.0], id="identity"),
        pytest.param([0.2, 0.2, 5.0, 5.0], id="two pairs"),
        pytest.param([1.0, 1.0 + 1e-7, 1.0 + 1e-4, 2.0], id="nearly equal"),
    ],
)
@pytest.mark.parametrize("layer", [log_eig, log_eig_of_re_eig, re_eig])
def test_gradcheck(layer, eigenvalues):
    matrix = rotated(eigenvalues)[None].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(symmetric(x)), matrix, eps=1e-6, atol=1e-6)


def test_gradcheck_of_a_rank_deficient_covariance():
    torch.manual_seed(0)
    maps = torch.randn(1, 6, 1, 3, dtype=torch.double, requires_grad=True)  # rank 2 of 6, four equal eigenvalues
    assert torch.autograd.gradcheck(lambda x: log_eig_of_re_eig(covariance_pool(x)), maps, atol=1e-5)


@pytest.mark.parametrize("matrix", [torch.eye(8), torch.zeros(8, 8), torch.ones(8, 8), -torch.eye(8)])
def test_gradients_stay_finite_where_eigenvalues_meet(matrix):
    matrices = matrix[None].clone().requires_grad_()
    mapped = log_eig_of_re_eig(matrices)
    mapped.square().sum().backward()
    assert mapped.isfinite().all() and matrices.grad.isfinite().all()


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("size", [3, 5, 40])
def test_a_matrix_that_is_not_finite_gives_nan_and_spares_the_others(poison, size):
    matrices = 2 * torch.eye(size).repeat(2, 1, 1)
    matrices[0, 0, 0] = poison
    mapped = log_eig_of_re_eig(matrices.requires_grad_())
    mapped.sum().backward()
    assert mapped[0].isnan().all() and matrices.grad[0].isnan().any()
    torch.testing.assert_close(mapped[1], math.log(2) * torch.eye(size))
    assert matrices.grad[1].isfinite().all()


def test_gradient_of_log_at_the_identity_by_hand():
    # d log(X) at X = 2I is dX / 2
    matrices = (2 * torch.eye(3))[None].requires_grad_()
    upstream = torch.tensor([[[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]])
    (grad,) = torch.autograd.grad(log_eig(matrices), matrices, upstream)
    torch.testing.assert_close(grad, upstream / 2)


def test_clipped_directions_get_no_gradient():
    matrices = torch.diag(torch.tensor([1e-6, 1.0]))[None].requires_grad_()
    (grad,) = torch.autograd.grad(re_eig(matrices).sum(), matrices)
    assert grad[0, 0, 0] == 0 and grad[0, 1, 1] == 1


def test_loewner_matrix_by_hand():
    # log: (log 4 - log 1) / (4 - 1); slopes 1 and 1/4 on the diagonal
    across = math.log(4) / 3
    expected = torch.tensor([[1.0, across], [across, 0.25]])
    torch.testing.assert_close(loewner_matrix(torch.tensor([1.0, 4.0]), LOGARITHM), expected)


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 5e-3, 1e-3, 1e-5, 1e-7, 0.0])
def test_loewner_matrix_is_accurate_at_every_gap_in_single_precision(gap):
    low = 1e-3
    eig = torch.tensor([low, low * (1 + gap)])
    exact = eig.double()
    step = (exact[1] - exact[0]).item()
    true = math.log1p(step / exact[0].item()) / step if step else 1 / exact[0].item()
    assert loewner_matrix(eig, LOGARITHM)[0, 1].item() == pytest.approx(true, rel=5e-4)


def test_composition_follows_the_chain_rule():
    double = Spectral(value=lambda eig: 2 * eig, slope=lambda eig: torch.full_like(eig, 2.0))
    composed = LOGARITHM.after(double)
    eig = torch.tensor([0.5, 3.0])
    torch.testing.assert_close(composed.value(eig), torch.log(2 * eig))
    torch.testing.assert_close(composed.slope(eig), 1 / eig)


def test_rectifier_is_flat_outside_its_range():
    assert RECTIFIER.slope(torch.tensor([1e-5, 1e-4, 1.0, 1e4, 1e5])).tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("layer", [log_eig_of_re_eig, re_eig, BiMap(6, 4)], ids=["log", "re", "bimap"])
def test_single_precision_under_autocast(layer):
    matrices = rotated([0.1, 0.2, 0.5, 1.0, 2.0, 4.0]).float()[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = layer(matrices)
        of_half = layer(matrices.bfloat16())
        covariance = covariance_pool(torch.randn(1, 3, 4, 4).bfloat16())
    assert under_autocast.dtype == of_half.dtype == covariance.dtype == torch.float32
    torch.testing.assert_close(under_autocast, layer(matrices))


def orthonormality_error(bimap: BiMap) -> float:
    weight = bimap.orthonormal_weight().detach().double()
    return (weight.mT @ weight - torch.eye(weight.shape[1], dtype=torch.double)).abs().max().item()


def test_bimap_by_hand():
    bimap = BiMap(3, 2)
    with torch.no_grad():
        # Gram-Schmidt: (2, 0, 0) gives (1, 0, 0); (5, 0, 3) loses its part along it and gives (0, 0, 1)
        bimap.weight.copy_(torch.tensor([[2.0, 5.0], [0.0, 0.0], [0.0, 3.0]]))
    matrix = torch.tensor([[[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]])
    torch.testing.assert_close(bimap(matrix), torch.tensor([[[1.0, 3.0], [3.0, 6.0]]]))


def test_bimap_keeps_the_initial_orthonormal_weight():
    bimap = BiMap(8, 4)
    torch.testing.assert_close(bimap.orthonormal_weight(), bimap.weight)


def test_bimap_stays_orthonormal_in_training_and_learns():
    torch.manual_seed(0)
    bimap = BiMap(16, 8)
    other = BiMap(16, 8)
    matrices = covariance_pool(torch.randn(4, 16, 6, 6))
    target = other(matrices).detach()
    optimizer = torch.optim.Adam(bimap.parameters(), lr=1e-2, weight_decay=1e-2)
    losses = []
    for _ in range(200):
        loss = (bimap(matrices) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert orthonormality_error(bimap) < 1e-6
    assert losses[-1] < losses[0] / 10
    with torch.no_grad():
        bimap.weight.lerp_(other.weight, 0.5)
    assert orthonormality_error(bimap) < 1e-6


def test_bimap_keeps_matrices_positive_definite():
    torch.manual_seed(0)
    compressed = BiMap(12, 6)(covariance_pool(torch.randn(3, 12, 3, 3)))
    assert torch.linalg.eigvalsh(compressed).min() > 0


def test_bimap_gradcheck():
    torch.manual_seed(0)
    bimap = BiMap(4, 2).double()
    matrices = symmetric(torch.randn(1, 4, 4, dtype=torch.double)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda weight, x: torch.func.functional_call(bimap, {"weight": weight}, (x,)),
        (bimap.weight.detach().clone().requires_grad_(), matrices),
    )


def test_bimap_refuses_to_enlarge():
    with pytest.raises(ValueError, match=r"out_dim must be 1\.\.4, not 5"):
        BiMap(4, 5)
