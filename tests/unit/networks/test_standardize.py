"""Per-image standardisation."""

import torch

from fsrfer.networks.standardize import Standardize


def test_faces_have_mean_0_and_deviation_1_whatever_their_light():
    faces = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 200
    seen = Standardize()(faces)
    torch.testing.assert_close(seen.mean((1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std((1, 2, 3), correction=0), torch.ones(3))
    torch.testing.assert_close(Standardize()(0.8 * faces + 20), seen)


def test_a_picture_of_one_grey_is_0_and_has_a_gradient():
    faces = torch.full((2, 1, 4, 4), 77.0, requires_grad=True)
    seen = Standardize()(faces)
    assert torch.equal(seen, torch.zeros_like(seen))
    seen[0, 0, 0, 0].backward()
    assert faces.grad.isfinite().all()
    assert faces.grad[0, 0, 0, 0] > 0
