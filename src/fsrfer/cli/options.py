"""What the commands share: options, their checks, and the one way failures of single inputs are reported."""

import argparse
import math
import sys
from pathlib import Path

from fsrfer.output.sinks import FORMATS
from fsrfer.output.terminal import printable


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """``--format`` and ``-o``."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="json is JSON Lines (default: by the suffix of -o, else table)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help="write there instead of to the terminal")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """``--model`` and ``--threads``."""
    parser.add_argument(
        "--model",
        default="default",
        metavar="NAME|FILE",
        help="a bundled model or a model file (%(default)s)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="processor threads (default: as many as granted)")


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
    print(f"fsrfer: {printable(error)}", file=sys.stderr, flush=True)
