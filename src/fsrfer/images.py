"""Decoding pictures safely, and the one way faces are cropped and resized in training and in use."""

import importlib.util
import io
import logging
import math
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import ExifTags, Image, ImageFilter, ImageOps, UnidentifiedImageError

from fsrfer.arrays import advice, as_array, described
from fsrfer.errors import InputError, TooLargeError
from fsrfer.types import UInt8Image

ChannelOrder = Literal["rgb", "bgr"]
ImageSource = str | Path | bytes | BinaryIO | Image.Image | UInt8Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "HEIF")
"""Formats that are decoded (a camera's MPO opens as JPEG). Others, such as PostScript, would run foreign programs."""

SUFFIXES = frozenset(
    f".{name}"
    for name in "jpg jpeg jpe jfif mpo jp2 png webp avif bmp gif tif tiff ppm pgm pbm pnm".split()  # noqa: SIM905
)
"""File names taken for pictures when a folder is read; with the extra ``heif`` those of `HEIF_SUFFIXES` too."""

HEIF_SUFFIXES = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})
"""Pictures of phones, which Pillow reads with the help of pillow-heif."""

HEIF_ADVICE = "install what reads them with: pip install 'fsrfer[heif]'"

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded, unless the user asks for more."""

MAX_BYTES = 256 * 1024 * 1024

LARGEST_PATCH = 4096
"""Side in pixels above which the surroundings of a box are shrunk before they are cropped, so that no box costs its square."""

BAND = 256
"""Rows of a picture that are converted at once; see `bands`."""

_QUIET = threading.Lock()
"""One picture at a time is opened quietly: warnings and stderr belong to all threads of the process."""


def load_rgb(path: str | Path, max_pixels: int = MAX_PIXELS) -> UInt8Image:
    """Decode a picture file to RGB, upright (EXIF orientation applied); the first frame of an animation.

    16-bit grey is scaled to 8 bits; transparent pixels are laid on white.

    Args:
        path: of the file.
        max_pixels: larger pictures are refused.

    Returns:
        uint8, height x width x 3.

    Raises:
        InputError: missing, empty, truncated, too large, or not a picture.
    """
    path = Path(path)
    return decode_rgb(read_bytes(path), str(path), max_pixels)


def read_bytes(path: Path) -> bytes:
    """The content of a picture file of sane size.

    Raises:
        InputError: missing, unreadable, empty, a folder, or over `MAX_BYTES`.
    """
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {what}; check the path")
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: the file is empty")
        if size > MAX_BYTES:
            raise InputError(f"{path}: {size / 2**20:.0f} MiB; pictures over {MAX_BYTES // 2**20} MiB are refused")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from error


def decode_rgb(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> UInt8Image:
    """Decode the bytes of a picture file; ``name`` is used in messages. See `load_rgb`."""
    try:
        with _opened(data, max_pixels) as image:
            return pil_to_rgb(image, name, max_pixels)
    except UnidentifiedImageError:
        if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and not reads_heif():
            raise InputError(f"{name}: a HEIC picture; {HEIF_ADVICE}") from None
        raise InputError(f"{name}: not a picture in a known format (JPEG, PNG, WebP, BMP, GIF, TIFF, ...)") from None
    except Image.DecompressionBombError:
        raise TooLargeError(f"{name}: too large to decode safely; {_limit(max_pixels)}") from None
    except InputError:
        raise
    except Exception as error:  # decoders share no base class: whatever one of them says is this picture's error
        raise InputError(f"{name}: the picture is damaged or truncated ({_one_line(error)})") from error


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """A picture of which Pillow has read the header, or of a TIFF all, since libtiff writes to stderr past every handler."""
    with _QUIET, warnings.catch_warnings(), _silent_log():
        warnings.simplefilter("ignore")  # Pillow's own word on size; ours follows, as an error
        with _pillow_allows(max_pixels):
            image = Image.open(io.BytesIO(data), formats=_known_formats())
        if image.format == "TIFF" and image.width * image.height <= max_pixels:
            with _silent_stderr():
                image.load()
        image.getexif()  # once read it is kept, and so are Pillow's words on a damaged one
    with image:
        yield image


@contextmanager
def _pillow_allows(pixels: int) -> Iterator[None]:
    """Within the block Pillow's own limit, which is the process's, is no lower than the one asked for."""
    before = Image.MAX_IMAGE_PIXELS
    if before is not None and pixels > before:
        Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _silent_log() -> Iterator[None]:
    """Within the block Pillow's logger says nothing: without a handler, Python prints it on stderr."""
    log = logging.getLogger("PIL")
    propagates, handler = log.propagate, logging.NullHandler()
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagates


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Within the block nothing that C code writes to stderr is seen."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def reads_heif() -> bool:
    """Whether the extra ``heif`` is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def picture_suffixes() -> frozenset[str]:
    """File names taken for pictures here, when a folder is read."""
    return SUFFIXES | HEIF_SUFFIXES if reads_heif() else SUFFIXES


def _known_formats() -> list[str]:
    """Those of `FORMATS` that this build of Pillow can open."""
    Image.init()
    if "HEIF" not in Image.OPEN and reads_heif():
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [name for name in FORMATS if name in Image.OPEN]


def pil_to_rgb(image: Image.Image, name: str = "image", max_pixels: int = MAX_PIXELS) -> UInt8Image:
    """A PIL image of any mode as upright RGB; see `load_rgb`.

    Raises:
        InputError: over ``max_pixels``, or floating-point pixels that have no known range.
    """
    width, height = image.size
    if width * height > max_pixels:
        raise TooLargeError(f"{name}: {width} x {height} pixels; {_limit(max_pixels)}")
    if image.mode == "F":
        raise InputError(f"{name}: floating-point pixels have no known range; convert the picture to 8 bits")
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        deep = np.asarray(image, dtype=np.int64)
        scaled = deep if deep.max(initial=0) <= 255 else deep // 257
        image = Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return _pixels(image if image.mode == "RGB" else image.convert("RGB"))


def _pixels(image: Image.Image) -> UInt8Image:
    """An RGB picture as an array; band by band, since Pillow would hold two more copies of the whole on the way."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for band in bands(image.height):
        pixels[band] = np.asarray(image.crop((0, band.start, image.width, band.stop)))
    return pixels


def bands(height: int, multiple: int = 1) -> Iterator[slice]:
    """The rows of a picture, some hundred at a time, so that converting a large one needs little memory beside its own.

    Args:
        height: of the picture.
        multiple: each band but the last is a multiple of so many rows.
    """
    step = max(BAND // multiple, 1) * multiple
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def as_rgb(
    source: ImageSource, channel_order: ChannelOrder = "rgb", name: str = "image", max_pixels: int = MAX_PIXELS
) -> UInt8Image:
    """Any picture a user may hold, as RGB.

    Args:
        source: a path, the bytes of a picture file, an open binary file, a PIL image, or a uint8 array (height x width, or
            height x width x 3).
        channel_order: of an array with three channels; OpenCV's arrays are ``"bgr"``.
        name: used in messages for an image that has no path.
        max_pixels: larger pictures are refused.

    Raises:
        InputError: a file that cannot be decoded, or an array of another shape or type.
    """
    if isinstance(source, str | Path):
        return load_rgb(source, max_pixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_rgb(bytes(source), name, max_pixels)
    if hasattr(source, "read"):
        return decode_rgb(_content(source, name), name, max_pixels)
    if isinstance(source, Image.Image):
        try:
            return pil_to_rgb(source, name, max_pixels)
        except InputError:
            raise
        except Exception as error:  # as in `decode_rgb`
            raise InputError(f"{name}: the picture is damaged or truncated ({_one_line(error)})") from error
    array = as_array(source, name)
    shape_is_known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not shape_is_known or array.size == 0:
        raise InputError(
            f"{name}: an array must be uint8 of shape (height, width) or (height, width, 3), "
            f"not {described(array)}{advice(array)}"
        )
    if array.shape[0] * array.shape[1] > max_pixels:
        raise TooLargeError(f"{name}: {array.shape[1]} x {array.shape[0]} pixels; {_limit(max_pixels)}")
    if array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if channel_order not in ("rgb", "bgr"):
        raise InputError(f"channel_order must be 'rgb' or 'bgr', not {channel_order!r}")
    return array[:, :, ::-1] if channel_order == "bgr" else array


def _limit(max_pixels: int) -> str:
    """What is allowed, and how more is."""
    return f"the limit is {max_pixels / 10**6:g} megapixels; raise it by --max-megapixels (in Python: max_pixels)"


def _content(stream: Any, name: str) -> bytes:
    """What is left to read of an open file.

    Raises:
        InputError: it was opened as text, is closed, empty, over `MAX_BYTES`, or cannot be read.
    """
    try:
        data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: the open file cannot be read ({_one_line(error)})") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError(f"{name}: the file was opened as text; open it as bytes: open(path, 'rb')")
    if not data:
        raise InputError(f"{name}: nothing is left to read in the open file; open it anew, or go back: file.seek(0)")
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: pictures over {MAX_BYTES // 2**20} MiB are refused")
    return bytes(data)


def to_grey(image: UInt8Image) -> UInt8Image:
    """Luma of an RGB picture (ITU-R 601, as PIL's mode ``L``); a grey picture is returned as it is."""
    if image.ndim == 2:
        return image
    grey = np.empty(image.shape[:2], np.uint8)
    for band in bands(image.shape[0]):
        grey[band] = np.asarray(Image.fromarray(np.ascontiguousarray(image[band])).convert("L"))
    return grey


def resize(image: UInt8Image, size: tuple[int, int]) -> UInt8Image:
    """Resize to ``(width, height)`` by antialiased bicubic interpolation (a = -0.5; PIL's BICUBIC)."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BICUBIC))


def shrink_and_restore(image: UInt8Image, factor: float) -> UInt8Image:
    """The benchmark's low resolution: shrink by ``factor``, then back to the same size, both bicubic.

    Exactly ``PIL.Image.resize((round(w / f), round(h / f)), BICUBIC)`` and back; at least one pixel is kept.
    """
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    return resize(resize(image, small), (width, height))


def shrink_resized(image: UInt8Image, height: int, factor: float) -> UInt8Image:
    """As `shrink_and_restore` would have left a face of ``height`` pixels that was since brought to another size.

    Where the factor leaves the face more pixels than it has now, it stays as it is.
    """
    return shrink_and_restore(image, max(1.0, factor * image.shape[0] / height))


def jpeg_coded(image: UInt8Image, quality: int) -> UInt8Image:
    """A picture after JPEG (libjpeg as Pillow calls it, colour at half resolution).

    Args:
        image: height x width (grey) or height x width x 3 (RGB).
        quality: 1..95.
    """
    picture, buffer = Image.fromarray(np.ascontiguousarray(image)), io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    # Image.open takes longer over the header of a small face than encoding and decoding do together.
    return np.asarray(Image.frombytes(picture.mode, picture.size, buffer.getvalue(), "jpeg", picture.mode, ""))


@dataclass(frozen=True, slots=True)
class CameraCondition:
    """What a poor camera adds to a low resolution; see `camera_picture`.

    ``blur`` is the standard deviation of a Gaussian in pixels of the small picture, ``noise`` that of Gaussian noise in
    grey levels 0..255, ``jpeg_quality`` 1..95.
    """

    blur: float
    noise: float
    jpeg_quality: int


CAMERA_TEST = CameraCondition(blur=0.5, noise=6.0, jpeg_quality=50)
"""The benchmark's poor camera; its figures were fixed before any result was seen."""


def camera_picture(
    image: UInt8Image, factor: float, condition: CameraCondition = CAMERA_TEST, seed: int = 0
) -> UInt8Image:
    """As `shrink_and_restore`, through a poor camera: blur, shrink by ``factor``, noise, JPEG, and back to the same size.

    Args:
        image: height x width (grey) or height x width x 3 (RGB).
        factor: 1 or more.
        condition: of the camera.
        seed: of the noise; give every face its own.
    """
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    blurred = Image.fromarray(np.ascontiguousarray(image)).filter(ImageFilter.GaussianBlur(condition.blur * factor))
    shrunk = np.asarray(blurred.resize(small, Image.Resampling.BICUBIC))
    noise = np.random.default_rng(seed).normal(0, condition.noise, shrunk.shape)
    noisy = np.clip(np.rint(shrunk + noise), 0, 255).astype(np.uint8)
    return resize(jpeg_coded(noisy, condition.jpeg_quality), (width, height))


def crop_faces(image: UInt8Image, boxes: Sequence[Sequence[float]], size: int, margin: float) -> UInt8Image:
    """Square crops around face boxes, all of one size, ready for a network.

    The square has the side ``(1 + 2 * margin) * max(width, height)`` of its box and the same centre. Where it leaves the
    picture, edge pixels are repeated.

    Args:
        image: height x width (grey) or height x width x 3.
        boxes: ``xyxy`` in pixels.
        size: side of the crops in pixels.
        margin: relative to the box's longer side, so that small and large faces are framed alike.

    Returns:
        uint8, N x size x size (x 3 for colour).
    """
    crops = np.zeros((len(boxes), size, size, *image.shape[2:]), np.uint8)
    for crop, (x1, y1, x2, y2) in zip(crops, boxes, strict=True):
        half = max(x2 - x1, y2 - y1) * (0.5 + margin)
        centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
        crop[...] = _resample(image, (centre_x - half, centre_y - half, centre_x + half, centre_y + half), size)
    return crops


def _resample(image: UInt8Image, box: tuple[float, float, float, float], size: int) -> UInt8Image:
    shrink = int(-(-(box[2] - box[0]) // LARGEST_PATCH))
    if shrink > 1:
        image, box = _reduced(image, box, shrink)
    height, width = image.shape[:2]
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        part = image[top:bottom, left:right]
    else:
        rows, columns = np.arange(top, bottom).clip(0, height - 1), np.arange(left, right).clip(0, width - 1)
        part = image[np.ix_(rows, columns)]
    patch = Image.fromarray(np.ascontiguousarray(part))
    inner = (box[0] - left, box[1] - top, min(box[2] - left, patch.width), min(box[3] - top, patch.height))
    return np.asarray(patch.resize((size, size), Image.Resampling.BICUBIC, box=inner))


def _reduced(
    image: UInt8Image, box: tuple[float, float, float, float], shrink: int
) -> tuple[UInt8Image, tuple[float, float, float, float]]:
    """The part of a picture that a box covers, so many times smaller, and the box in its pixels."""
    height, width = image.shape[:2]
    left, right = (int(np.clip(value, 0, width)) for value in (np.floor(box[0]), np.ceil(box[2])))
    top, bottom = (int(np.clip(value, 0, height)) for value in (np.floor(box[1]), np.ceil(box[3])))
    part = np.asarray(Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right])).reduce(shrink))
    x1, y1, x2, y2 = ((value - start) / shrink for value, start in zip(box, (left, top, left, top), strict=True))
    return part, (x1, y1, x2, y2)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
