"""``fsrfer predict``: expressions of every face in photos."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from fsrfer.cli.options import add_model_arguments, add_output_arguments, complain, non_negative
from fsrfer.cli.progress import with_progress
from fsrfer.errors import InputError
from fsrfer.files import check_file, check_folder, write_text
from fsrfer.output.sinks import AnnotatedPhotos, format_for, open_photo_sink
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.report import PhotosReport, sources_name
from fsrfer.photo.results import PhotoResult
from fsrfer.recognition import boxes
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.detection import PRESETS
from fsrfer.recognition.sources import Picture, Source, expand, load


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
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="one page on all photos: the group, and face by face"
    )
    parser.add_argument(
        "--blur", action="store_true", help="pixelate every face in the annotated photos, show none in the report"
    )
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
    chosen = _check_outputs(options)
    sources = expand(options.sources, leave_out=options.annotate)
    box_file = boxes.read_boxes(options.boxes, [source.name for source in sources]) if options.boxes else None
    recognizer = Recognizer(options.model, options.detector, options.threads, options.min_face)
    report = PhotosReport(len(sources), options.blur) if options.report else None
    failures = 0
    with open_photo_sink(chosen, options.output) as sink:
        drawn = AnnotatedPhotos(options.annotate, [source.name for source in sources]) if options.annotate else None
        for result in predict_all(recognizer, _pictures(sources), box_file):
            sink.write(result)
            if report is not None:
                report.add(result)
            error = result.error or (_draw(drawn, result, options.blur) if drawn else None)
            if error is not None:
                failures += 1
                complain(error)
    if report is not None:
        write_text(options.report, report.page(sources_name(options.sources), recognizer).to_html())
    return 2 if failures else 0


def _check_outputs(options: argparse.Namespace) -> str:
    """Find out before the first picture what cannot be written; returns the format of the results.

    Raises:
        InputError: something cannot.
    """
    if options.blur and not (options.annotate or options.report):
        raise InputError("--blur hides faces in pictures; name them with --annotate DIR or --report FILE.html")
    chosen = format_for(options.format, options.output)
    for target in (options.output, options.report):
        if target is not None:
            check_file(target)
    if options.annotate is not None:
        check_folder(options.annotate)
    return chosen


def _pictures(sources: list[Source]) -> Iterator[Picture]:
    return with_progress(load(sources), len(sources), "photos")


def _draw(drawn: AnnotatedPhotos, result: PhotoResult, blur: bool) -> str | None:
    """Save the annotated photo; returns why it could not be, so that a full disk costs no results on another one."""
    try:
        drawn.save(result.source, result.annotated(blur))
    except InputError as error:
        return str(error)
    return None


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
