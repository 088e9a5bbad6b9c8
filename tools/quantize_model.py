"""Put a model into 8 bits, and write it as a sealed file that says what it is worth so.

    python tools/quantize_model.py default --data ferplus=DIR -o default-int8.onnx

Needs the extra ``train``, and the data that the model was trained on: faces of its training part tell the range of each map,
its validation part what is lost. Six minutes for `default` on one core.
"""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from fsrfer.cli.options import positive
from fsrfer.data import readers
from fsrfer.data.dataset import load_pixels
from fsrfer.errors import FsrferError
from fsrfer.export.quantized import LabelledFaces, at_all_sizes, quantize
from fsrfer.files import check_outputs
from fsrfer.recognition.model import ExpressionModel


def main() -> int:
    """Quantise, measure, write; then tell how each factor fares."""
    options = arguments()
    check_outputs([options.output], [options.model])
    before = ExpressionModel(options.model, threads=1).info
    name, path = readers.parse_source(options.data)
    seen = at_all_sizes(readers.read(name, path, "train"), before, options.seen)
    kept_apart = readers.read(name, path, "valid")
    pixels, heights = load_pixels(kept_apart, before.size, before.colour)
    valid = LabelledFaces(pixels, kept_apart.labels, heights, f"{name} valid")
    after = quantize(options.model, seen, valid, options.output, track=track)
    for factor, row in after.accuracy[valid.split].items():
        was = before.accuracy.get(valid.split, {}).get(factor, {}).get("accuracy")
        print(f"{factor}: {row['accuracy']:.1%}" + (f", before {was:.1%}" if was is not None else ""))
    return 0


def arguments() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="a bundled model's name or an .onnx file")
    parser.add_argument("--data", required=True, metavar="NAME=DIR", help="with a part train and a part valid")
    parser.add_argument(
        "--seen", type=positive, default=256, metavar="N", help="training faces for ranges (%(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FsrferError as error:
        print(f"quantize_model.py: {error}", file=sys.stderr)
        sys.exit(2)
