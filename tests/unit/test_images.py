import io
import math
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.errors import InputError
from fsrfer.images import (
    CAMERA_TEST,
    CameraCondition,
    as_rgb,
    bands,
    camera_picture,
    crop_faces,
    decode_rgb,
    jpeg_coded,
    load_rgb,
    resize,
    shrink_and_restore,
    shrink_resized,
    to_grey,
)

RAMP = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80).astype(np.uint8)


def test_paths_pil_images_and_arrays_agree(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "ü.png")
    for source in (tmp_path / "ü.png", str(tmp_path / "ü.png"), Image.fromarray(rgb), rgb):
        np.testing.assert_array_equal(as_rgb(source), rgb)
    np.testing.assert_array_equal(as_rgb(rgb[:, :, ::-1], channel_order="bgr"), rgb)
    np.testing.assert_array_equal(as_rgb(RAMP)[:, :, 1], RAMP)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(5, np.uint8)],
)
def test_other_arrays_are_refused_with_what_is_wanted(array):
    with pytest.raises(InputError, match="must be uint8"):
        as_rgb(array)


def test_an_unknown_channel_order_is_refused():
    with pytest.raises(InputError, match="'rgb' or 'bgr'"):
        as_rgb(np.zeros((4, 4, 3), np.uint8), channel_order="gbr")


def test_transparent_pixels_lie_on_white(tmp_path):
    layer = np.zeros((2, 2, 4), np.uint8)
    layer[0, 0] = (200, 10, 10, 255)
    Image.fromarray(layer).save(tmp_path / "alpha.png")
    rgb = load_rgb(tmp_path / "alpha.png")
    assert rgb[0, 0].tolist() == [200, 10, 10]
    assert rgb[1, 1].tolist() == [255, 255, 255]


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert load_rgb(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 100, 255]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.repeat(RAMP[:, :, None], 3, 2)).save(tmp_path / "turned.jpg", exif=exif)
    assert load_rgb(tmp_path / "turned.jpg").shape == (80, 60, 3)


@pytest.mark.parametrize("factor", [1, 2, 3.5, 8, 64])
def test_shrinking_is_exactly_pils(factor):
    size = (max(1, round(80 / factor)), max(1, round(60 / factor)))
    small = Image.fromarray(RAMP).resize(size, Image.Resampling.BICUBIC)
    expected = np.asarray(small.resize((80, 60), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(shrink_and_restore(RAMP, factor), expected)


def test_a_resized_face_is_shrunk_to_the_pixels_its_own_height_leaves():
    square = RAMP[:48, :48]
    np.testing.assert_array_equal(shrink_resized(square, 96, 8), shrink_and_restore(square, 4))
    np.testing.assert_array_equal(shrink_resized(square, 48, 8), shrink_and_restore(square, 8))
    np.testing.assert_array_equal(shrink_resized(square, 480, 8), square)


def test_a_whole_number_crop_without_margin_is_the_box_itself():
    crop = crop_faces(RAMP, [(10, 20, 34, 44)], size=24, margin=0.0)
    np.testing.assert_array_equal(crop[0], RAMP[20:44, 10:34])


def test_margins_are_relative_to_the_longer_side():
    inner = crop_faces(RAMP, [(20, 20, 40, 40)], size=32, margin=0.5)
    np.testing.assert_array_equal(inner[0], resize(RAMP[10:50, 10:50], (32, 32)))
    tall = crop_faces(RAMP, [(25, 20, 35, 40)], size=32, margin=0.5)
    np.testing.assert_array_equal(tall, inner)


def test_beyond_the_edge_its_pixels_are_repeated():
    image = np.zeros((20, 20), np.uint8)
    image[:, 0] = 200
    crop = crop_faces(image, [(-10, 0, 10, 20)], size=20, margin=0.0)[0]
    assert (crop[:, :10] == 200).all()
    assert (crop[:, 12:] == 0).all()


def test_boxes_wholly_or_far_outside_still_give_crops():
    crops = crop_faces(RAMP, [(500, 500, 510, 510), (-3.5, -2.25, 4.5, 6)], size=8, margin=0.2)
    assert crops.shape == (2, 8, 8)
    assert (crops[0] == RAMP[-1, -1]).all()


def test_colour_crops_keep_their_channels_and_grey_is_luma():
    rgb = np.dstack([RAMP, np.zeros_like(RAMP), RAMP])
    assert crop_faces(rgb, [(0, 0, 9, 9)], 12, 0.1).shape == (1, 12, 12, 3)
    assert to_grey(np.full((1, 1, 3), (255, 0, 0), np.uint8))[0, 0] == 76  # 0.299 * 255
    assert to_grey(RAMP) is RAMP


@pytest.mark.parametrize("shape", [(1, 1), (5, 17), (48, 48), (40, 30, 3)])
def test_jpeg_is_what_a_reader_of_the_file_would_see(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    np.testing.assert_array_equal(jpeg_coded(image, 60), np.asarray(Image.open(file)))


@pytest.mark.parametrize("shape", [(40, 32), (40, 32, 3)])
def test_a_perfect_camera_only_shrinks(shape):
    image = np.full(shape, 90, np.uint8)
    image[20:] = 140
    taken = camera_picture(image, 2, CameraCondition(blur=0, noise=0, jpeg_quality=95))
    assert taken.shape == shape
    assert np.abs(taken.astype(int) - shrink_and_restore(image, 2)).max() <= 4


def test_a_poor_camera_depends_on_its_seed_and_has_its_noise():
    image = np.full((64, 64), 128, np.uint8)
    np.testing.assert_array_equal(camera_picture(image, 4, seed=1), camera_picture(image, 4, seed=1))
    assert (camera_picture(image, 4, seed=1) != camera_picture(image, 4, seed=2)).any()
    # Quantisation at quality 95 adds a little.
    assert camera_picture(image, 1, CameraCondition(0, 6.0, 95)).std() == pytest.approx(6, rel=0.1)


def test_a_poor_cameras_blur_grows_with_the_factor():
    image = np.zeros((64, 64), np.uint8)
    image[:, 32:] = 200
    for factor in (1, 2, 4):
        edge = camera_picture(image, factor, CameraCondition(CAMERA_TEST.blur * 4, 0, 95))[32].astype(float)
        # The slope of a step under a Gaussian of deviation s is height / (s sqrt(2 pi)).
        slope = np.diff(edge).max()
        assert slope == pytest.approx(200 / (2 * factor * math.sqrt(2 * math.pi)), rel=0.15)


def test_deep_pictures_are_turned_as_their_metadata_ask(shared_data):
    faults = shared_data / "faults"
    if not faults.is_dir():
        pytest.skip(f"the faulty files are not at {faults}")
    deep, plain = (load_rgb(faults / f"turned-{bits}-bit.png") for bits in (16, 8))
    assert deep.shape == plain.shape
    assert np.abs(deep.astype(int) - plain).max() <= 1


def test_warning_filters_stay_as_they_were_when_several_threads_decode(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40)).save(path)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(load_rgb, [path] * 400))
    assert warnings.filters == before


def test_a_damaged_tiff_says_nothing_but_our_line(tmp_path, capfd):
    path = tmp_path / "a.tif"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[200:6000] = bytes(5800)
    with pytest.raises(InputError, match="damaged or truncated"):
        decode_rgb(bytes(data), "a.tif")
    assert capfd.readouterr() == ("", "")


def test_a_box_across_a_panorama_does_not_cost_its_square():
    image = np.zeros((40, 60_000, 3), np.uint8)
    image[:, 30_000:] = 200
    tracemalloc.start()
    (crop,) = crop_faces(image, [(0, 0, 60_000, 40)], 48, 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6  # 60,000 squared would be 3.6e9, three times
    assert crop[24, 4].max() < 10
    assert crop[24, 44].min() > 190


def test_the_limit_of_pixels_is_the_users(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    for source in (path, path.read_bytes(), Image.open(path), np.zeros((30, 40), np.uint8)):
        with pytest.raises(InputError, match=r"the limit is 0\.001 megapixels; raise it by --max-megapixels"):
            as_rgb(source, max_pixels=1000)
        assert as_rgb(source, max_pixels=1200).shape == (30, 40, 3)


def test_a_raised_limit_is_raised_for_this_picture_alone(tmp_path: Path) -> None:
    path, before = tmp_path / "a.png", Image.MAX_IMAGE_PIXELS
    Image.new("1", (20_000, 9_500)).save(path)
    with pytest.raises(InputError, match="limit is 100 megapixels"):
        load_rgb(path)
    with pytest.raises(InputError, match="limit is 180 megapixels"):
        load_rgb(path, 180_000_000)
    assert before == Image.MAX_IMAGE_PIXELS


def test_bands_hold_every_row_once_and_begin_at_multiples() -> None:
    for height, multiple in ((1, 1), (256, 1), (257, 3), (2000, 7), (900, 500)):
        parts = list(bands(height, multiple))
        assert [row for part in parts for row in range(part.start, part.stop)] == list(range(height))
        assert all(part.start % multiple == 0 for part in parts)


def test_a_tall_picture_is_decoded_and_greyed_as_pillow_does(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 9, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "tall.png")
    np.testing.assert_array_equal(load_rgb(tmp_path / "tall.png"), noise)
    np.testing.assert_array_equal(to_grey(noise), np.asarray(Image.fromarray(noise).convert("L")))
