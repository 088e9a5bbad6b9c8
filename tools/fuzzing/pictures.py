"""Pictures of every format that is decoded, each in the variants that its decoder treats apart."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from fsrfer.images import decode_rgb

SUFFIX = ".picture"

TIFF_COMPRESSIONS = (
    *("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd", "webp"),
    *("group3", "group4", "tiff_ccitt"),
)


def seeds(_folder: Path) -> list[bytes]:
    """Small whole pictures."""
    shades = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    rgb = Image.fromarray(shades).resize((64, 48), Image.Resampling.BICUBIC)
    deep = Image.fromarray(np.asarray(rgb)[:, :, 0].astype(np.uint16) * 257)
    turned = Image.Exif()
    turned[0x0112] = 6
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)], "duration": 80}
    made = [
        *(_saved(rgb, "JPEG", **options) for options in ({}, {"progressive": True}, {"exif": turned}, {"quality": 95})),
        *(_saved(rgb.convert(mode), "JPEG") for mode in ("L", "CMYK")),
        *(_saved(rgb.convert(mode), "PNG") for mode in ("RGB", "P", "1", "L", "LA", "RGBA")),
        *(_saved(deep, kind) for kind in ("PNG", "TIFF", "JPEG2000")),
        *(_saved(rgb.convert("P"), "GIF", **options) for options in ({}, {"interlace": 0}, frames)),
        *(_saved(rgb, "WEBP", **options) for options in ({}, {"lossless": True}, {"exif": turned}, frames)),
        *(_saved(rgb.convert(mode), "BMP") for mode in ("RGB", "P", "1", "L", "RGBA")),
        *(_saved(rgb.convert(mode), "PPM") for mode in ("RGB", "L", "1")),
        *(_saved(rgb.convert(mode), "TIFF") for mode in ("RGB", "CMYK", "P", "RGBA", "LAB", "YCbCr")),
        *(_tiff(rgb, compression) for compression in TIFF_COMPRESSIONS),
        _saved(rgb, "PNG", **frames),
        _saved(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(90)]),
        *(_saved(rgb, "AVIF", **options) for options in ({}, frames) if features.check("avif")),
        *(_saved(rgb, "JPEG2000", **options) for options in ({}, {"irreversible": True}) if features.check("jpg_2000")),
        *(_saved(rgb, kind) for kind in ("ICO", "TGA")),
        b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12",
        *_heifs(rgb, turned),
    ]
    return [one for one in made if one]


def attempt(data: bytes, _path: Path) -> None:
    """Decode a picture.

    Raises:
        InputError: as it should.
        AssertionError: what was decoded is no RGB.
    """
    rgb = decode_rgb(data, "fuzzed")
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert rgb.size


def _tiff(rgb: Image.Image, compression: str) -> bytes:
    is_fax = compression in ("group3", "group4", "tiff_ccitt")
    return _saved(rgb.convert("1") if is_fax else rgb, "TIFF", compression=compression)


def _heifs(rgb: Image.Image, exif: Image.Exif) -> list[bytes]:
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return []
    made = []
    for picture, options in ((rgb, {}), (rgb, {"exif": exif.tobytes()}), (rgb.convert("RGBA"), {})):
        buffer = io.BytesIO()
        pillow_heif.from_pillow(picture).save(buffer, quality=50, **options)
        made.append(buffer.getvalue())
    return made


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a file; none where this build of Pillow cannot write such a one."""
    buffer = io.BytesIO()
    try:
        picture.save(buffer, kind, **options)
    except (OSError, KeyError, ValueError, RuntimeError):
        return b""
    return buffer.getvalue()
