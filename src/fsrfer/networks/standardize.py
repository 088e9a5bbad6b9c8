"""Per-image standardisation, the paper's prewhitening, kept inside the networks so that training and use share it."""

from torch import Tensor, nn


class Standardize(nn.Module):
    """Per-image standardisation: minus the mean, over ``max(std, 1 / sqrt(pixels))`` (in units of 0..1 values).

    Shape:
        N x C x H x W, values 0..255, to the same, without unit.

    Reference:
        arXiv:2004.02234, section 4.

    Example:
        >>> import torch
        >>> faces = torch.tensor([0.0, 255.0]).repeat(8).reshape(1, 1, 4, 4)
        >>> Standardize()(faces)[0, 0, 0].tolist()
        [-1.0, 1.0, -1.0, 1.0]
    """

    def forward(self, faces: Tensor) -> Tensor:
        """Standardise each image over its channels and pixels."""
        pixels = faces.float()
        centred = pixels - pixels.mean((1, 2, 3), keepdim=True)
        variance = centred.square().mean((1, 2, 3), keepdim=True)
        floor = 255.0**2 / (pixels.shape[1] * pixels.shape[2] * pixels.shape[3])
        return centred / variance.clamp(min=floor).sqrt()  # in this order: the root of 0 has no gradient
