import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fsrfer.degradation.camera import (
    BEST_JPEG,
    KERNELS,
    NO_JPEG,
    CameraDegrader,
    CameraDraws,
    CameraSettings,
    blurred,
    draw,
    effective_sizes,
)
from fsrfer.degradation.resize import BatchDegrader

POOR = CameraSettings(share=0.5, blur=0.8, motion=2.0, noise=10.0, jpeg_quality=30)
CLEAN = CameraSettings(share=1.0, blur=0.0, motion=0.0, noise=0.0, jpeg_quality=NO_JPEG)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth_faces(count, channels, size, seed=0):
    rough = torch.rand(count, channels, size + 4, size + 4, generator=generator(seed))
    return (F.avg_pool2d(rough, 5, 1) * 255).round()


def cameras(count, **drawn):
    """A clean bicubic camera for every face, but for what is given."""
    clean = dataclasses.replace(draw(count, CLEAN, generator()), kernel=torch.zeros(count, dtype=torch.long))
    return dataclasses.replace(clean, **{name: torch.full((count,), value) for name, value in drawn.items()})


def rows_of(draws):
    return {item.name: getattr(draws, item.name) for item in dataclasses.fields(CameraDraws)}


def test_draws_keep_to_the_settings():
    draws = draw(5000, POOR, generator())
    assert draws.chosen.float().mean().item() == pytest.approx(0.5, abs=0.03)
    for name, largest in (("blur", 0.8), ("motion", 2.0), ("noise", 10.0), ("angle", math.pi), ("shot", 1.0)):
        values = getattr(draws, name)
        assert 0 <= values.min() < 0.02 * largest
        assert 0.98 * largest < values.max() <= largest
    assert set(draws.quality.tolist()) == set(range(30, BEST_JPEG + 1))
    assert set(draws.kernel.tolist()) == set(range(len(KERNELS)))
    assert len(set(draws.seed.tolist())) == 5000


def test_one_setting_does_not_change_what_is_drawn_for_the_others():
    before = rows_of(draw(20, POOR, generator()))
    after = rows_of(draw(20, dataclasses.replace(POOR, blur=0.0, jpeg_quality=NO_JPEG), generator()))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"blur", "quality"}
    assert (after["quality"] == NO_JPEG).all()


def test_a_quality_of_95_is_always_95():
    draws = draw(200, dataclasses.replace(POOR, jpeg_quality=BEST_JPEG), generator())
    assert (draws.quality == BEST_JPEG).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_faces_without_a_camera_are_plainly_shrunk(channels):
    faces, small = smooth_faces(12, channels, 32), torch.arange(2, 26, 2)
    plain = BatchDegrader(32)(faces, small)
    none = draw(12, dataclasses.replace(POOR, share=0.0), generator())
    torch.testing.assert_close(CameraDegrader(32)(faces, small, none), plain, rtol=0, atol=0)
    some = draw(12, POOR, generator())
    result = CameraDegrader(32)(faces, small, some)
    assert some.chosen.any()
    torch.testing.assert_close(result[~some.chosen], plain[~some.chosen], rtol=0, atol=0)
    assert all((result[row] != plain[row]).any() for row in some.chosen.nonzero()[:, 0].tolist())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [33, 48])
def test_faces_are_whole_numbers_in_range_of_the_same_shape(channels, size):
    faces = torch.randint(0, 2, (size, channels, size, size), generator=generator()) * 255.0
    draws = draw(size, dataclasses.replace(POOR, share=1.0, noise=60.0), generator())
    result = CameraDegrader(size)(faces, torch.arange(1, size + 1), draws)
    assert result.shape == faces.shape
    assert result.dtype == torch.float32
    assert result.min() >= 0
    assert result.max() <= 255
    torch.testing.assert_close(result, result.round(), rtol=0, atol=0)


def test_a_process_that_takes_some_rows_makes_the_same_faces():
    faces, small, degrade = smooth_faces(16, 3, 48), torch.arange(6, 38, 2), CameraDegrader(48)
    draws = draw(16, dataclasses.replace(POOR, share=0.8), generator())
    whole = degrade(faces, small, draws)
    for rows in (slice(0, 5), slice(5, 16), slice(9, 10)):
        # A last bit may round otherwise in a batch of another shape, as in BatchDegrader; other noise would show.
        assert (degrade(faces[rows], small[rows], draws[rows]) - whole[rows]).abs().max() <= 1


def test_faces_depend_on_the_generator_only():
    faces, small, degrade = smooth_faces(8, 1, 32), torch.full((8,), 12), CameraDegrader(32)
    settings = dataclasses.replace(POOR, share=1.0)
    torch.manual_seed(1)
    first = degrade(faces, small, draw(8, settings, generator(3)))
    torch.manual_seed(2)
    torch.testing.assert_close(degrade(faces, small, draw(8, settings, generator(3))), first, rtol=0, atol=0)
    assert (degrade(faces, small, draw(8, settings, generator(4))) != first).any()


def test_a_clean_bicubic_camera_is_plain_shrinking():
    faces, small = smooth_faces(6, 3, 32), torch.tensor([1, 4, 8, 16, 31, 32])
    difference = CameraDegrader(32)(faces, small, cameras(6)) - BatchDegrader(32)(faces, small)
    # The camera rounds once where plain shrinking rounds after each axis.
    assert difference.abs().max() <= 2
    assert difference.abs().mean() < 0.3


def impulses(count=1, size=65):
    faces = torch.zeros(count, 1, size, size, dtype=torch.float64)
    faces[:, :, size // 2, size // 2] = 1000
    return faces


def spread(face):
    """Mean and variances (down, across) of an impulse's response."""
    places = torch.arange(face.shape[-1], dtype=torch.float64) - face.shape[-1] // 2
    total = face.sum()
    return total, (face.sum(1) * places**2).sum() / total, (face.sum(0) * places**2).sum() / total


def test_blur_keeps_an_impulses_sum_and_has_its_variance():
    sigma = torch.tensor([0.0, 1.0, 3.0])
    none = torch.zeros(3)
    for face, expected in zip(blurred(impulses(3), sigma, none, none)[:, 0], (0.0, 1.0, 9.0), strict=True):
        total, down, across = spread(face)
        assert total.item() == pytest.approx(1000, abs=0.05)
        assert (down.item(), across.item()) == pytest.approx((expected, expected), abs=0.01)


@pytest.mark.parametrize(("angle", "along"), [(0.0, (0, 1)), (math.pi / 2, (1, 0)), (math.pi / 4, (0.5, 0.5))])
def test_motion_blurs_along_its_direction(angle, along):
    length, sigma = 6.0, 1.0
    face = blurred(impulses(), torch.tensor([sigma]), torch.tensor([length]), torch.tensor([angle]))[0, 0]
    total, down, across = spread(face)
    # The variance of a uniform distribution of width l is l^2 / 12.
    expected = [sigma**2 + share * length**2 / 12 for share in along]
    assert total.item() == pytest.approx(1000, abs=0.05)
    assert (down.item(), across.item()) == pytest.approx(expected, abs=0.02)


def test_blur_leaves_flat_faces_and_far_edges_alone():
    wide = torch.full((1,), 4.0)
    flat = torch.full((1, 3, 32, 32), 77.0, dtype=torch.float64)
    torch.testing.assert_close(blurred(flat, wide, wide, wide), flat)
    halves = torch.cat([torch.zeros(1, 1, 64, 32), torch.full((1, 1, 64, 32), 255.0)], -1).double()
    sides = blurred(halves, wide, torch.zeros(1), wide)
    assert sides[..., 0].abs().max() < 0.1
    assert (sides[..., -1] - 255).abs().max() < 0.1


def test_blur_is_measured_in_pixels_of_the_small_picture():
    faces = (impulses(size=64) / 1000 * 255).float().repeat(2, 1, 1, 1)
    peaks = CameraDegrader(64)(faces, torch.tensor([64, 32]), cameras(2, blur=0.8)).amax((1, 2, 3))
    # A Gaussian of 0.8 pixels leaves an impulse 255 / (2 pi 0.8^2) = 63.4; of 1.6, a quarter of that and less.
    assert peaks[0].item() == pytest.approx(63.4, abs=1.5)
    assert peaks[1] < 16


def test_noise_has_its_deviation_and_shot_noise_grows_with_light():
    def deviation(grey, shot):
        flat = torch.full((30, 1, 32, 32), grey)
        draws = dataclasses.replace(cameras(30, noise=8.0, shot=shot), seed=torch.arange(30))
        return CameraDegrader(32)(flat, torch.full((30,), 32), draws).std().item()

    assert deviation(64.0, 0.0) == pytest.approx(8, rel=0.03)
    assert deviation(192.0, 0.0) == pytest.approx(8, rel=0.03)
    assert deviation(64.0, 1.0) == pytest.approx(8 * math.sqrt(64 / 255), rel=0.03)
    assert deviation(192.0, 1.0) == pytest.approx(8 * math.sqrt(192 / 255), rel=0.03)
    assert deviation(0.0, 1.0) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_lower_quality_is_further_from_the_face(channels):
    faces, small, degrade = smooth_faces(20, channels, 48), torch.full((20,), 24), CameraDegrader(48)
    clean = degrade(faces, small, cameras(20))
    errors = [
        (degrade(faces, small, cameras(20, quality=q)) - clean).square().mean().item() for q in (95, 75, 50, 25, 5)
    ]
    assert errors == sorted(errors)
    assert 0 < errors[0] < errors[-1] / 4


def test_a_face_lies_anywhere_in_the_grid_of_jpeg():
    faces = smooth_faces(1, 1, 24).repeat(8, 1, 1, 1)
    draws = dataclasses.replace(cameras(8, quality=20), seed=torch.arange(8))
    result = CameraDegrader(24)(faces, torch.full((8,), 24), draws)
    assert len({tuple(face.flatten().tolist()) for face in result}) > 4


def test_effective_sizes_by_hand():
    small = torch.full((5,), 20)
    draws = cameras(5)
    draws = dataclasses.replace(
        draws,
        chosen=torch.tensor([True, True, True, True, False]),
        blur=torch.tensor([0.0, 0.75, 0.0, 0.75, 0.75]),
        motion=torch.tensor([0.0, 0.0, 2.0, 2.0, 2.0]),
    )
    # 1.8867 * 0.75 = 1.415: factor sqrt(1 + 2.002) = 1.733; 0.586 * 2 = 1.172: sqrt(1 + 1.373) = 1.541 along one axis.
    expected = [20, 20 / 1.733, 20 / math.sqrt(1.541), 20 / (3.002 * 4.375) ** 0.25, 20]
    np.testing.assert_allclose(effective_sizes(small, draws).numpy(), expected, rtol=1e-3)


def test_the_factors_halve_a_frequency_that_shrinking_and_enlarging_quarters():
    sigma, length = 2.0, 6.0
    frequency_of_gaussian, frequency_of_motion = 1 / (2 * 1.8867 * 2**0.5 * sigma), 1 / (2 * 0.586 * 2**0.5 * length)
    assert math.exp(-2 * (math.pi * sigma * frequency_of_gaussian) ** 2) == pytest.approx(0.5, abs=1e-3)
    assert np.sinc(length * frequency_of_motion) == pytest.approx(0.5, abs=1e-3)
