"""Let an ONNX network answer the faces that ``fsrfer benchmark --export-faces`` wrote, for its ``--answers NAME=CSV``.

The network takes float32 faces, N x 1 or 3 x S x S in 0..255 (grey or RGB), gives probabilities, N x 7, and names their
labels in its metadata; ``convert.py`` writes such files. Each face is shown whole: no detector, no margin.

Example:
    python benchmarks/outside/answer.py fer.onnx bench/exported -o fer.csv
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BATCH = 64


def main() -> int:
    """Read every exported face, write a row of probabilities for each."""
    parser = argparse.ArgumentParser(description="Answers of an ONNX network to exported faces.")
    parser.add_argument("network", type=Path, help="the ONNX file")
    parser.add_argument("faces", type=Path, help="the folder exported/ of fsrfer benchmark --export-faces")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="CSV", help="the table to write")
    parser.add_argument("--threads", type=int, default=0, help="of the network (default: one a core)")
    options = parser.parse_args()
    session = open_network(options.network, options.threads)
    labels = session.get_modelmeta().custom_metadata_map["labels"].split(",")
    with options.output.open("w", newline="", encoding="utf-8") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(["file", *labels])
        for names, probabilities in answers(session, options.faces):
            table.writerows([name, *map("{:.6g}".format, row)] for name, row in zip(names, probabilities, strict=True))
    print(options.output)
    return 0


def open_network(path: Path, threads: int) -> Any:
    """A session on the CPU."""
    from fsrfer.recognition.runtime import import_onnxruntime

    onnxruntime = import_onnxruntime()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def answers(session: Any, folder: Path) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Names of a batch of faces, as ``faces.csv`` lists them, and their probabilities."""
    (given,) = session.get_inputs()
    _, channels, side, _ = given.shape
    with (folder / "faces.csv").open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        while names := [row["file"] for row in islice(rows, BATCH)]:
            faces = np.stack([read_face(folder / name, channels, side) for name in names])
            yield names, session.run(None, {given.name: faces})[0]


def read_face(path: Path, channels: int, side: int) -> NDArray[np.float32]:
    """A picture as the network takes it: channels x side x side."""
    with Image.open(path) as picture:
        face = picture.convert("L" if channels == 1 else "RGB")
    # Unlike `resize`, this takes two pixels each way also where it shrinks, as OpenCV and TensorFlow.js do.
    whole = (0, 0, *face.size)
    face = face.transform((side, side), Image.Transform.EXTENT, whole, Image.Resampling.BILINEAR)
    pixels = np.asarray(face, np.float32)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


if __name__ == "__main__":
    sys.exit(main())
