"""``fsrfer predict``: expressions of every face in photos."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from fsrfer.cli.options import (
    add_model_arguments,
    add_output_arguments,
    complain,
    non_negative,
    with_progress,
)
from fsrfer.errors import InputError
from fsrfer.files import write_text
from fsrfer.output.sinks import Album, format_for, open_sink
from fsrfer.photo.recognizer import MIN_FACE, Recognizer
from fsrfer.photo.report import PhotosReport, sources_name
from fsrfer.photo.results import PhotoResult
from fsrfer.recognition import boxes
from fsrfer.recognition.detection import PRESETS
from fsrfer.recognition.sources import Picture, expand, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer predict``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = boxes.HELP
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="picture files, folders (to any depth), glob patterns"
    )
    add_output_arguments(parser)
    parser.add_argument(
        "--annotate", type=Path, metavar="DIR", help="save the photos there with the results drawn on them"
    )
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="one page on all photos together as a group")
    parser.add_argument(
        "--detector",
        default="default",
        metavar=f"{'|'.join(PRESETS)}|FILE.onnx",
        help="fast: faces from about 14 px; default: from 9; tiny: from 7, slower; or any YuNet file",
    )
    parser.add_argument(
        "--boxes", type=Path, metavar="FILE", help="your own face boxes instead of a detector, see below"
    )
    parser.add_argument(
        "--min-face",
        type=non_negative,
        default=MIN_FACE,
        metavar="PX",
        help="lower faces are listed, but never certain nor counted in the shares (%(default)g)",
    )
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Predict every source; 0 if all went well, 2 if any failed."""
    sources = expand(options.sources)
    box_file = boxes.read_boxes(options.boxes, len(sources)) if options.boxes else None
    recognizer = Recognizer(options.model, options.detector, options.threads, options.min_face)
    album = Album(options.annotate, [source.name for source in sources]) if options.annotate else None
    pictures = with_progress(load(sources), len(sources), "photos")
    report = PhotosReport() if options.report else None
    failures = 0
    with open_sink(format_for(options.format, options.output), options.output, "photos") as sink:
        for result in predict_all(recognizer, pictures, box_file):
            sink.write(result)
            if report is not None:
                report.add(result)
            if result.error is not None:
                failures += 1
                complain(result.error)
            elif album is not None:
                album.add(result)
    if report is not None:
        write_text(options.report, report.page(sources_name(options.sources), recognizer).to_html())
    return 2 if failures else 0


def predict_all(
    recognizer: Recognizer, pictures: Iterable[Picture], box_file: boxes.BoxFile | None
) -> Iterator[PhotoResult]:
    """A result for each picture, in order; a photo that fails has an error."""
    for picture in pictures:
        try:
            own = box_file.boxes_for(picture.name) if box_file and picture.rgb is not None else None
        except InputError as error:
            yield PhotoResult.failed(picture.name, str(error), picture.size)
            continue
        yield recognizer.predict_picture(picture, own)
