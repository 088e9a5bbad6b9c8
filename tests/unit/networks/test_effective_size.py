import math

import torch

from fsrfer.degradation.resize import BatchDegrader
from fsrfer.networks.effective_size import SpectralSize, cosine_transform, square_bands
from fsrfer.networks.standardize import Standardize

SIDE = 32


def test_the_bands_of_a_face_of_five_pixels_by_hand():
    rings = torch.tensor([[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [1, 1, 1, 1, 2], [1, 1, 1, 1, 2], [2, 2, 2, 2, 2]])
    expected = torch.zeros(25, 3)
    for ring, count in ((0, 3), (1, 12), (2, 9)):  # the innermost ring goes without the mean
        expected[rings.flatten() == ring, ring] = 1 / count
    expected[0] = 0
    torch.testing.assert_close(square_bands(5), expected)


def test_a_wave_has_all_its_energy_in_its_own_coefficient():
    transform = cosine_transform(8)
    down, across = torch.arange(8)[:, None] + 0.5, torch.arange(8) + 0.5
    wave = torch.cos(math.pi / 8 * 3 * down) * torch.cos(math.pi / 8 * 5 * across)
    coefficients = transform @ wave @ transform.T
    expected = torch.zeros(8, 8)
    expected[3, 5] = 4  # the wave's norm
    torch.testing.assert_close(coefficients, expected, atol=1e-5, rtol=0)


def made_pictures(count, seed):
    """Noise whose amplitude falls with frequency, as that of natural pictures does: 0..255."""
    noise = torch.randn(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    down, across = torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)
    fall = 1 / torch.sqrt(down**2 + across**2).clamp(min=1 / SIDE)
    pictures = torch.fft.irfft2(torch.fft.rfft2(noise) * fall, s=(SIDE, SIDE))
    return (128 + 40 * pictures / pictures.std((2, 3), keepdim=True)).clamp(0, 255).round()


def test_it_learns_to_tell_small_faces_from_large_ones():
    degrade, standardize = BatchDegrader(SIDE), Standardize()
    small = torch.arange(1024) % (SIDE - 3) + 4
    faces = standardize(degrade(made_pictures(1024, seed=0), small))
    torch.manual_seed(0)
    size = SpectralSize(SIDE)
    optimizer = torch.optim.Adam(size.parameters(), lr=1e-2)
    for step in range(200):
        rows = torch.arange(step * 64, step * 64 + 64) % 1024
        optimizer.zero_grad()
        torch.nn.functional.smooth_l1_loss(size(faces[rows]), small[rows].log2()).backward()
        optimizer.step()
    others = made_pictures(40, seed=1)
    with torch.no_grad():
        six, twenty_four = (2 ** size(standardize(degrade(others, torch.full((40,), px)))) for px in (6, 24))
    assert ((six > 4.5) & (six < 8)).all()
    assert ((twenty_four > 18) & (twenty_four < 32)).all()
