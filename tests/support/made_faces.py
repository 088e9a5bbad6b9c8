"""Small data sets in published layouts, made of patterns that a network can learn in a few steps."""

from pathlib import Path

import numpy as np
from PIL import Image

from fsrfer.labels import EXPRESSIONS


def pattern(label: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A noisy bright bar at one of seven angles, uint8, size x size."""
    down, across = np.mgrid[0:size, 0:size] / (size - 1) - 0.5
    angle = np.pi * label / len(EXPRESSIONS)
    distance = np.abs(across * np.sin(angle) - down * np.cos(angle))
    values = 200 * np.exp(-((distance / 0.12) ** 2)) + 30 + rng.normal(0, 12, (size, size))
    return np.clip(values, 0, 255).astype(np.uint8)


def make_rafdb(root: Path, train: int = 70, test: int = 21, size: int = 24) -> Path:
    """RAF-DB basic's layout with made faces, labels in turn."""
    aligned, lines = root / "basic" / "Image" / "aligned", []
    aligned.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count, digits in (("train", train, 5), ("test", test, 4)):
        for number in range(1, count + 1):
            name, label = f"{split}_{number:0{digits}d}", number % len(EXPRESSIONS)
            Image.fromarray(pattern(label, size, rng)).convert("RGB").save(aligned / f"{name}_aligned.jpg", quality=95)
            lines.append(f"{name}.jpg {label + 1}\n")
    listing = root / "basic" / "EmoLabel" / "list_patition_label.txt"
    listing.parent.mkdir()
    listing.write_text("".join(lines))
    return root
