"""Pictures as clients send them, and the token that they show."""

import io

import numpy as np
from PIL import Image

TOKEN = "0123456789abcdef0123"


def as_file(rgb: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, kind)
    return stream.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
