"""What the commands share: options, their checks, and the one way failures of single inputs are reported."""

import argparse
import contextlib
import math
import os
import sys
from pathlib import Path

from fsrfer.group.withholding import MIN_GROUP
from fsrfer.images import MAX_PIXELS
from fsrfer.output.sinks import FORMATS
from fsrfer.output.terminal import printable
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.detection import PRESETS
from fsrfer.recognition.devices import CPU, NAMES

UNFINISHED = 75
"""Exit code of a training whose time was up before it was done: sysexits' "try again"."""


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """``--format`` and ``-o``."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="json is JSON Lines (default: by the suffix of -o, else table)",
    )
    parser.add_argument("-o", "--output", type=path, metavar="PATH", help="write there instead of to the terminal")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--threads`` and ``--device``."""
    add_model_argument(parser)
    parser.add_argument("--threads", type=positive, metavar="N", help="processor threads (default: as many as granted)")
    add_device_argument(parser)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """``--device`` alone."""
    parser.add_argument(
        "--device",
        choices=NAMES,
        default=CPU,
        help="what the networks run on; auto: CUDA where it works, else the CPU (%(default)s)",
    )


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """``--model`` alone."""
    parser.add_argument(
        "--model",
        type=os.path.expanduser,
        default="default",
        metavar="NAME|FILE|FOLDER",
        help="a bundled model, a model file, or a folder with one (%(default)s)",
    )


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    """``--detector`` and ``--min-face``."""
    parser.add_argument(
        "--detector",
        type=os.path.expanduser,
        default="default",
        metavar=f"{'|'.join(PRESETS)}|FILE.onnx",
        help="fast: faces from about 14 px; default: from 9; tiny: from 7, slower; or any YuNet file",
    )
    parser.add_argument(
        "--min-face",
        type=non_negative,
        default=MIN_FACE,
        metavar="PX",
        help="lower faces are listed, but never certain nor counted in the shares (%(default)g)",
    )


def add_min_group_argument(parser: argparse.ArgumentParser) -> None:
    """``--min-group``."""
    parser.add_argument(
        "--min-group",
        type=positive,
        default=MIN_GROUP,
        metavar="K",
        help="smallest group reported (%(default)s)",
    )


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """``--max-megapixels``; its value is a number of pixels, ``max_pixels``."""
    parser.add_argument(
        "--max-megapixels",
        type=megapixels,
        dest="max_pixels",
        default=MAX_PIXELS,
        metavar="N",
        help=f"refuse larger pictures, which take about 9 bytes a pixel ({MAX_PIXELS // 10**6})",
    )


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """``--precision``, ``--compile`` and ``--minutes``."""
    parser.add_argument(
        "--precision",
        default="auto",
        metavar="P",
        help="32-true, bf16-mixed or auto: bf16-mixed where the machine is quicker in it (%(default)s)",
    )
    parser.add_argument(
        "--compile",
        choices=("auto", "on", "off"),
        default="auto",
        dest="compiling",
        help="networks by torch.compile; auto: on a GPU with Triton (%(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help=f"stop after the step that runs then, and exit with {UNFINISHED}; the same command goes on",
    )


def megapixels(text: str) -> int:
    """Millions of pixels from the command line, as a number of pixels.

    Raises:
        argparse.ArgumentTypeError: no number above 0.
    """
    pixels = round(non_negative(text) * 10**6)
    if pixels < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return pixels


def path(text: str) -> Path:
    """A file or folder named on the command line; ``~`` is expanded, which shells leave alone after ``=``.

    Raises:
        argparse.ArgumentTypeError: an empty name.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty name; name a file or folder")
    return Path(os.path.expanduser(text))  # noqa: PTH111 (which leaves alone what it does not know)


def positive(text: str) -> int:
    """A whole number of at least one, from the command line.

    Raises:
        argparse.ArgumentTypeError: it is not one.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of 1 or more")
    return int(text)


def non_negative(text: str) -> float:
    """A finite number of at least zero, from the command line.

    Raises:
        argparse.ArgumentTypeError: it is not one.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of 0 or more")
    return value


def complain(error: str) -> None:
    """One line on stderr for an input that failed, while the others go on."""
    say(f"fsrfer: {printable(error)}")


def say(line: str) -> None:
    """One line on stderr; results are not lost because nobody can read it."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
