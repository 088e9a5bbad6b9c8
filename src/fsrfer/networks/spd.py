"""Layers on symmetric positive definite (SPD) matrices: covariance pooling, BiMap, ReEig and LogEig.

Reference:
    Huang and Van Gool, "A Riemannian Network for SPD Matrix Learning", AAAI 2017, arXiv:1608.04233 (BiMap,
    ReEig, LogEig); Acharya et al., "Covariance Pooling for Facial Expression Recognition", CVPRW 2018,
    arXiv:1805.04855.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

EIGENVALUE_MIN = 1e-4
EIGENVALUE_MAX = 1e4


@dataclass(frozen=True, slots=True)
class Spectral:
    """A function of eigenvalues together with its derivative."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]

    def after(self, first: "Spectral") -> "Spectral":
        """The composition ``self(first(x))``, by the chain rule."""
        return Spectral(
            value=lambda eig: self.value(first.value(eig)),
            slope=lambda eig: self.slope(first.value(eig)) * first.slope(eig),
        )


LOGARITHM = Spectral(value=torch.log, slope=torch.reciprocal)
RECTIFIER = Spectral(
    value=lambda eig: eig.clamp(EIGENVALUE_MIN, EIGENVALUE_MAX),
    slope=lambda eig: ((eig >= EIGENVALUE_MIN) & (eig <= EIGENVALUE_MAX)).to(eig.dtype),
)


def loewner_matrix(eig: Tensor, function: Spectral) -> Tensor:
    r"""Divided differences of a function over pairs of eigenvalues.

    .. math::
        L_{ij} = \frac{f(\lambda_i) - f(\lambda_j)}{\lambda_i - \lambda_j}, \qquad
        L_{ij} \to f'(\lambda) \text{ where } \lambda_i \to \lambda_j

    A pair closer than the cube root of the machine precision (relative to its size) takes the derivative at
    its midpoint: there the rounding error of the quotient and the truncation error of the midpoint rule are
    equal.

    Shape:
        ... x n eigenvalues to ... x n x n, symmetric.

    Example:
        >>> loewner_matrix(torch.tensor([2.0, 2.0]), LOGARITHM)
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """
    rows, columns = eig.unsqueeze(-1), eig.unsqueeze(-2)
    gap = rows - columns
    size = torch.maximum(rows.abs(), columns.abs())
    together = gap.abs() <= size * torch.finfo(eig.dtype).eps ** (1 / 3)
    values = function.value(eig)
    rise = values.unsqueeze(-1) - values.unsqueeze(-2)
    return torch.where(together, function.slope((rows + columns) / 2), rise / gap.masked_fill(together, 1.0))


def _eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors; NaN eigenvalues where a matrix is not finite.

    LAPACK meets such a matrix with NaN or with an error about convergence, as it happens. A diverging network should
    be known by its loss, and should not spoil the other faces of a batch.
    """
    finite = matrices.isfinite().flatten(-2).all(-1)
    eig, vectors = torch.linalg.eigh(matrices.where(finite[..., None, None], 0.0))
    return eig.masked_fill(~finite.unsqueeze(-1), torch.nan), vectors


class _SpectralMap(torch.autograd.Function):
    """``U f(S) U^T`` of a symmetric ``U S U^T``, differentiated by the Daleckii-Krein theorem.

    Differentiating the eigenvectors instead divides by the gaps between eigenvalues, which is infinite where
    they meet, although the matrix function itself is smooth there. First derivatives only: the gradient
    penalty differentiates the discriminator twice, never the extractor.
    """

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, function: Spectral) -> Tensor:
        eig, vectors = _eigh(matrices)
        ctx.save_for_backward(eig, vectors)
        ctx.function = function
        mapped: Tensor = (vectors * function.value(eig).unsqueeze(-2)) @ vectors.mT
        return mapped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        eig, vectors = ctx.saved_tensors
        symmetric = (grads[0] + grads[0].mT) / 2
        in_eigenbasis = vectors.mT @ symmetric @ vectors
        return vectors @ (loewner_matrix(eig, ctx.function) * in_eigenbasis) @ vectors.mT, None


def spectral_map(matrices: Tensor, function: Spectral) -> Tensor:
    r"""Apply a function to the eigenvalues of symmetric matrices.

    .. math::
        F(U \Sigma U^T) = U f(\Sigma) U^T, \qquad
        \frac{\partial \ell}{\partial X} = U (L \circ (U^T \tfrac{G + G^T}{2} U)) U^T

    with :math:`L` of `loewner_matrix`; the gradient is finite also where eigenvalues repeat. Works in 32 bits
    or better, also under autocast. Only one half of each matrix is read, and the gradient is symmetric.

    Args:
        matrices: symmetric.
        function: what to apply.

    Shape:
        ... x n x n to ... x n x n.
    """
    with torch.autocast(matrices.device.type, enabled=False):
        exact = in_full_precision(matrices)
        mapped: Tensor = _SpectralMap.apply(exact, function)  # type: ignore[no-untyped-call]
    return mapped


def in_full_precision(values: Tensor) -> Tensor:
    """Half precision becomes 32 bits; anything better stays as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def log_eig_of_re_eig(matrices: Tensor) -> Tensor:
    """ReEig, then LogEig, by one eigen-decomposition, as both share the eigenvectors.

    ReEig clips the eigenvalues to [1e-4, 1e4], the matrix counterpart of ReLU; LogEig is the matrix logarithm, which lays the
    curved space of SPD matrices out flat.

    Shape:
        N x n x n to N x n x n.

    Example:
        >>> bool(log_eig_of_re_eig(torch.eye(3)).abs().max() == 0)
        True
    """
    return spectral_map(matrices, LOGARITHM.after(RECTIFIER))


def covariance_pool(maps: Tensor, regulariser: float = 1e-4) -> Tensor:
    r"""Covariance of the channels over all positions of a feature map.

    .. math::
        C = \frac{1}{n-1} \sum_{i=1}^{n} (x_i - \bar x)(x_i - \bar x)^T, \qquad
        C + \epsilon \, \mathrm{tr}(C) I

    The second term makes it positive definite, as there may be fewer positions than channels.

    Shape:
        N x C x H x W to N x C x C, in 32 bits or better, also under autocast.

    Example:
        >>> maps = torch.tensor([[[[1.0, 3.0]], [[0.0, 4.0]]]])  # 1 x 2 x 1 x 2
        >>> covariance_pool(maps, regulariser=0.0)
        tensor([[[2., 4.],
                 [4., 8.]]])
    """
    with torch.autocast(maps.device.type, enabled=False):
        positions = in_full_precision(maps).flatten(2)  # N x C x HW
        centred = positions - positions.mean(dim=2, keepdim=True)
        covariance = centred @ centred.mT / (positions.shape[2] - 1)  # N x C x C
        trace = covariance.diagonal(dim1=1, dim2=2).sum(1)
        identity = torch.eye(covariance.shape[1], dtype=covariance.dtype, device=covariance.device)
        return covariance + regulariser * trace.view(-1, 1, 1) * identity


class BiMap(nn.Module):
    r"""Bilinear map to smaller SPD matrices, :math:`W^T C W` with orthonormal columns :math:`W^T W = I`.

    ``W`` is the orthonormal factor of a free matrix, so it is orthonormal whatever an optimizer, weight decay, an
    average of weights or a file puts there, and no step after the optimizer's can be forgotten
    (``docs/decisions/0003-orthonormal-bimap.md``).

    Args:
        in_dim: side of the matrices that come in.
        out_dim: side of those that go out, at most ``in_dim``.

    Shape:
        N x in_dim x in_dim to N x out_dim x out_dim, in 32 bits or better, also under autocast.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        if not 0 < out_dim <= in_dim:
            raise ValueError(f"BiMap shrinks matrices: out_dim must be 1..{in_dim}, not {out_dim}")
        self.weight = nn.Parameter(torch.empty(in_dim, out_dim))
        nn.init.orthogonal_(self.weight)

    def orthonormal_weight(self) -> Tensor:
        """``W``, in_dim x out_dim: the Q of the parameter's QR decomposition with a positive diagonal in R.

        Without that sign Q's columns would turn over from one step to the next.
        """
        q, r = torch.linalg.qr(in_full_precision(self.weight))
        weight: Tensor = q * r.diagonal().sign()
        return weight

    def forward(self, matrices: Tensor) -> Tensor:
        """Map N x in_dim x in_dim to N x out_dim x out_dim."""
        with torch.autocast(matrices.device.type, enabled=False):
            weight = self.orthonormal_weight()  # in_dim x out_dim
            return weight.mT @ in_full_precision(matrices) @ weight
