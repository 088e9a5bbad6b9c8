import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fsrfer.degradation.resize import BICUBIC, BILINEAR, BOX, BatchDegrader, cubic, resize_matrix
from fsrfer.images import shrink_and_restore


def test_the_kernel_is_keys_with_minus_one_half():
    x = np.array([0, 0.5, 1, 1.5, 2, 2.5])
    # inside: 1.5 x^3 - 2.5 x^2 + 1; outside: -0.5 x^3 + 2.5 x^2 - 4 x + 2
    np.testing.assert_allclose(cubic(x), [1, 0.5625, 0, -0.0625, 0, 0])


@given(st.integers(1, 120), st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_rows_sum_to_one_so_flat_pictures_stay_flat(length_in, length_out):
    matrix = resize_matrix(length_in, length_out)
    assert matrix.shape == (length_out, length_in)
    np.testing.assert_allclose(matrix.sum(1), 1)


PILS = ((BICUBIC, Image.Resampling.BICUBIC), (BILINEAR, Image.Resampling.BILINEAR), (BOX, Image.Resampling.BOX))


@given(st.sampled_from(PILS), st.integers(1, 70), st.integers(1, 90), st.integers(0, 2**31))
@settings(max_examples=150, deadline=None)
def test_a_matrix_resizes_an_axis_as_pil_does(kernels, length_in, length_out, seed):
    image = np.random.default_rng(seed).integers(0, 256, (5, length_in), np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((length_out, 5), kernels[1]))
    found = np.clip(image @ resize_matrix(length_in, length_out, kernels[0]).T, 0, 255)
    assert np.abs(found - expected).max() <= 0.6


@pytest.mark.parametrize("size", [48, 100])
def test_a_mixed_batch_equals_pil_one_by_one(size):
    factors = torch.tensor([1.0, 1.5, 2, 3, 4, 5.5, 8, 60])
    faces = np.random.default_rng(1).integers(0, 256, (len(factors), size, size), np.uint8)
    degrade = BatchDegrader(size)
    result = degrade(torch.from_numpy(faces)[:, None].float(), degrade.small_sizes(factors))[:, 0].numpy()
    expected = np.stack([shrink_and_restore(face, float(f)) for face, f in zip(faces, factors, strict=True)])
    assert np.abs(result - expected).max() <= 1
    np.testing.assert_array_equal(result[0], faces[0])


def test_a_face_is_degraded_alike_alone_and_in_a_batch():
    faces = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    degrade, small = BatchDegrader(32), torch.tensor([4, 8, 16, 31, 32])
    together = degrade(faces, small)
    alone = torch.cat([degrade(faces[i : i + 1], small[i : i + 1]) for i in range(5)])
    assert (together - alone).abs().max() <= 1
