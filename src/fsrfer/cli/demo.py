"""``fsrfer demo``: one portrait at shrinking sizes, to see how small a face may be."""

import argparse
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fsrfer.cli.options import add_limit_argument, add_model_arguments, path
from fsrfer.errors import InputError
from fsrfer.files import atomic_path, check_outputs, is_special
from fsrfer.images import load_rgb
from fsrfer.photo.recognizer import Recognizer
from fsrfer.types import Box, Face, UInt8Image

if TYPE_CHECKING:
    from rich.table import Table

HEIGHTS = (96, 48, 32, 24, 16, 12, 8)
"""Of the portrait's face in the demo's picture, in pixels."""

GAP = 16
"""Between two portraits, in pixels."""

BACKGROUND = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer demo``."""
    parser.add_argument(
        "--portrait", type=path, metavar="FILE", help="a picture of one face (default: Grace Hopper's, by matplotlib)"
    )
    parser.add_argument(
        "-o", "--output", type=path, default=Path("demo.png"), metavar="PNG", help="the annotated picture (%(default)s)"
    )
    add_model_arguments(parser)
    add_limit_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table, save the annotated picture."""
    from rich.console import Console

    target, chosen = options.output, options.portrait or bundled_portrait()
    if target.suffix.lower() != ".png" and not is_special(target):
        raise InputError(f"{target}: the picture is a PNG; let its name end in .png")
    check_outputs([target], [chosen, options.model])
    recognizer = Recognizer(options.model, "tiny", options.threads, device=options.device)
    portrait = load_rgb(chosen, options.max_pixels)
    found = recognizer.detector.detect(portrait)
    if not len(found):
        raise InputError(f"{chosen}: no face found; choose a portrait with head and shoulders")
    _, top, _, bottom = found.boxes[0].tolist()
    canvas, panels = shrinking_row(portrait, bottom - top, HEIGHTS)
    result = recognizer.predict(canvas)
    faces = [largest_inside(panel, result.faces) for panel in panels]
    with atomic_path(target) as partial:
        result.annotated().save(partial, format="PNG")
    Console().print(f"One portrait at {len(HEIGHTS)} sizes ({chosen.name})", _table(faces), sep="\n")
    print(f"The annotated picture: {target}")
    return 0


def bundled_portrait() -> Path:
    """Grace Hopper's portrait (US Navy, public domain) in the files of matplotlib, which is not imported.

    Raises:
        InputError: matplotlib is not installed.
    """
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    raise InputError("the demo's portrait comes with matplotlib: pip install 'fsrfer[demo]', or give --portrait FILE")


def shrinking_row(portrait: UInt8Image, face_height: float, heights: Sequence[int]) -> tuple[UInt8Image, list[Box]]:
    """A portrait side by side at several sizes, on grey.

    Args:
        portrait: RGB, height x width x 3.
        face_height: of the face in it, in pixels.
        heights: wanted for the face, in pixels.

    Returns:
        The picture, and where in it each portrait lies (``xyxy``).
    """
    picture = Image.fromarray(portrait)
    copies = [_scaled(picture, height / face_height) for height in heights]
    width = sum(copy.width for copy in copies) + GAP * (len(copies) + 1)
    canvas = Image.new("RGB", (width, max(copy.height for copy in copies) + 2 * GAP), (BACKGROUND,) * 3)
    panels: list[Box] = []
    left = GAP
    for copy in copies:
        canvas.paste(copy, (left, GAP))
        panels.append((left, GAP, left + copy.width, GAP + copy.height))
        left += copy.width + GAP
    return np.asarray(canvas), panels


def largest_inside(panel: Box, faces: Iterable[Face]) -> Face | None:
    """The largest face whose centre lies in a panel, or None."""
    inside = [face for face in faces if _holds(panel, face.box)]
    return max(inside, key=lambda face: face.size_px, default=None)


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _holds(panel: Box, box: Box) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return panel[0] <= x <= panel[2] and panel[1] <= y <= panel[3]


def _table(faces: Iterable[Face | None]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for header in ("face shown", "found as", "expression", "probability"):
        table.add_column(header, justify="left" if header == "expression" else "right")
    table.add_column("")
    for height, face in zip(HEIGHTS, faces, strict=True):
        if face is None:
            table.add_row(f"{height} px", "not found", "", "", "", style="dim")
            continue
        remark = "" if face.certain else "uncertain"
        table.add_row(f"{height} px", f"{face.size_px:.0f} px", face.expression, f"{face.probability:.0%}", remark)
    return table
