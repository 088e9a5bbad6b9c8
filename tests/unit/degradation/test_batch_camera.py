"""The camera for accelerators, on the CPU, beside the one that works there."""

import numpy as np
import pytest
import torch

from fsrfer.degradation import camera
from fsrfer.degradation.batch_camera import BatchCamera, Jpeg
from fsrfer.images import jpeg_coded
from support.made_faces import pattern

COUNT, SIZE = 70, 48


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(3)
    shown = np.stack([pattern(number % 7, SIZE, rng) for number in range(COUNT)])
    return torch.from_numpy(shown)[:, None].float()


def both(faces, **settings):
    """What either camera makes of the same faces, with the same draws, noise and places."""
    chosen = {"share": 0.8, "blur": 1.0, "motion": 1.5, "noise": 10.0, "jpeg_quality": 40} | settings
    drawn = torch.Generator().manual_seed(1)
    draws = camera.draw(COUNT, camera.CameraSettings(**chosen), drawn)
    small = torch.randint(6, SIZE + 1, (COUNT,), generator=drawn)
    noise, places = torch.zeros(COUNT, 1, SIZE, SIZE), torch.zeros(COUNT, 2, dtype=torch.long)
    for row, (seed, side) in enumerate(zip(draws.seed.tolist(), small.tolist(), strict=True)):
        chances = np.random.default_rng(seed)
        noise[row, :, :side, :side] = torch.from_numpy(chances.standard_normal((1, side, side)))
        places[row] = torch.from_numpy(chances.integers(8, size=2))
    one_by_one = camera.CameraDegrader(SIZE)(faces, small, draws)
    return one_by_one, BatchCamera(SIZE, "cpu")(faces, small, draws, noise, places), draws


def test_without_jpeg_the_faces_are_the_same_but_for_rounding(faces):
    one_by_one, batched, _ = both(faces, jpeg_quality=100)
    difference = (one_by_one - batched).abs()
    assert difference.mean() < 0.01 and difference.max() <= 2


def test_with_jpeg_they_agree_within_single_grey_levels(faces):
    one_by_one, batched, _ = both(faces)
    difference = (one_by_one - batched).abs()
    assert difference.mean() < 1
    assert (difference <= 2).float().mean() > 0.98


def test_faces_without_a_camera_are_plainly_shrunk(faces):
    one_by_one, batched, draws = both(faces)
    assert torch.equal(one_by_one[~draws.chosen], batched[~draws.chosen]) and not draws.chosen.all()


@pytest.mark.parametrize("quality", [10, 40, 50, 75, 95])
def test_jpeg_is_that_of_the_library(faces, quality):
    pictures = torch.floor(faces[:7] + 0.5)
    whole, level = torch.full((7,), SIZE), torch.full((7,), quality)
    mine = Jpeg(SIZE, "cpu")(pictures, whole, level, torch.zeros(7, 2, dtype=torch.long))
    theirs = np.stack([jpeg_coded(face[0].numpy().astype(np.uint8), quality) for face in pictures])
    difference = (mine[:, 0] - torch.from_numpy(theirs)).abs()
    # Where a coefficient lies between two levels, libjpeg's whole numbers may take the other one.
    assert difference.mean() < 0.5
    assert (difference <= 2).float().mean() > 0.95
