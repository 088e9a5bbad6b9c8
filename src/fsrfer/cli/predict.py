"""``fsrfer predict``: expressions of every face in photos."""

import argparse
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from fsrfer.cli.options import (
    add_detector_arguments,
    add_limit_argument,
    add_model_arguments,
    add_output_arguments,
    complain,
    path,
)
from fsrfer.cli.progress import with_progress
from fsrfer.errors import InputError
from fsrfer.files import check_folder, check_outputs, is_special, write_text
from fsrfer.output.sinks import AnnotatedPhotos, format_for, open_photo_sink
from fsrfer.photo.journal import Journal
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.report import PhotosReport, sources_name
from fsrfer.photo.results import PhotoResult
from fsrfer.photo.summary import PhotosSummary
from fsrfer.recognition import boxes
from fsrfer.recognition.sources import Picture, Source, expand, load

PAGES = (".html", ".htm", "")
"""Suffixes of a report."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer predict``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = boxes.HELP
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="picture files, folders (to any depth), glob patterns"
    )
    add_output_arguments(parser)
    parser.add_argument(
        "--annotate", type=path, metavar="DIR", help="save the photos there with the results drawn on them"
    )
    parser.add_argument(
        "--report", type=path, metavar="FILE.html", help="one page on all photos: the group, and face by face"
    )
    parser.add_argument(
        "--summary", type=path, metavar="FILE", help="all photos as one group, with intervals: .json or .csv"
    )
    parser.add_argument(
        "--blur", action="store_true", help="pixelate every face in the annotated photos, show none in the report"
    )
    add_detector_arguments(parser)
    parser.add_argument(
        "--boxes", type=path, metavar="FILE", help="your own face boxes instead of a detector, see below"
    )
    parser.add_argument("--resume", action="store_true", help="resume a run that was stopped, with the same settings")
    parser.add_argument("--overwrite", action="store_true", help="throw away what a run that was stopped left behind")
    add_model_arguments(parser)
    add_limit_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Predict every source; 0 if all went well, 2 if any failed."""
    chosen = _check_outputs(options)
    sources = expand(options.sources, leave_out=options.annotate)
    inputs = [*(source.name for source in sources), options.model, options.detector, *filter(None, [options.boxes])]
    check_outputs([options.output, options.report, options.summary], inputs)
    box_file = boxes.read_boxes(options.boxes, [source.name for source in sources]) if options.boxes else None
    report = PhotosReport(len(sources), options.blur) if options.report else None
    summary = PhotosSummary(options.summary) if options.summary else None
    recognizer = Recognizer(options.model, options.detector, options.threads, options.min_face, device=options.device)
    failures = 0
    with _journal(options, recognizer) as journal, _explaining_resume(journal):
        with open_photo_sink(chosen, options.output) as sink:
            drawn = AnnotatedPhotos(options.annotate, [source.name for source in sources]) if options.annotate else None
            for result, is_new in _results(recognizer, sources, box_file, journal, options.max_pixels):
                sink.write(result)
                if report is not None:
                    report.add(result)
                if summary is not None:
                    summary.add(result)
                error = result.error or (_draw(drawn, result, is_new, options.blur) if drawn else None)
                if is_new and journal is not None:
                    journal.add(result)
                if error is not None:
                    failures += 1
                    complain(error)
        if report is not None:
            write_text(options.report, report.page(sources_name(options.sources), recognizer).to_html())
        if summary is not None:
            summary.write(recognizer.info, recognizer.device)
        if journal is not None:
            journal.finish()
    return 2 if failures else 0


def _journal(options: argparse.Namespace, recognizer: Recognizer) -> "Journal | nullcontext[None]":
    """Where results are kept while the run goes on; none for the terminal, a device or a pipe.

    Raises:
        InputError: see `Journal`, or there is no file whose run could be resumed.
    """
    if options.output is None or is_special(options.output):
        if options.resume:
            raise InputError("--resume needs the file of the stopped run: -o FILE")
        return nullcontext()
    asked = {
        "model": recognizer.sha256,
        "detector": _seal_of(options.detector),
        "boxes": options.boxes and _seal_of(options.boxes),
        "min_face": options.min_face,
        "annotate": options.annotate and str(options.annotate),
        "blur": options.blur,
        "device": recognizer.device,
    }
    return Journal(options.output, asked, resume=options.resume, overwrite=options.overwrite)


@contextmanager
def _explaining_resume(journal: Journal | None) -> Iterator[None]:
    """Whoever stops the run within the block reads what was kept."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if journal is not None:
            stop.add_note(f"what was done is kept in {journal.path}, and --resume resumes it")
        raise


def _seal_of(name: str | Path) -> str:
    """What tells a file from others, or the name of what is no file."""
    file = Path(name)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else str(name)


def _results(
    recognizer: Recognizer,
    sources: list[Source],
    box_file: boxes.BoxFile | None,
    journal: Journal | None,
    max_pixels: int,
) -> Iterator[tuple[PhotoResult, bool]]:
    """A result for each source, in order, and whether it is new rather than the journal's."""
    info, device = recognizer.info, recognizer.device
    known = [journal.result(source.name, info, device) if journal else None for source in sources]
    waiting = [source for source, result in zip(sources, known, strict=True) if result is None]
    new = predict_all(recognizer, _pictures(waiting, max_pixels), box_file)
    for result in known:
        yield (next(new), True) if result is None else (result, False)


def _check_outputs(options: argparse.Namespace) -> str:
    """Find out before the first picture what cannot be written; returns the format of the results.

    Raises:
        InputError: something cannot.
    """
    if options.blur and not (options.annotate or options.report):
        raise InputError("--blur hides faces in pictures; name them with --annotate DIR or --report FILE.html")
    chosen = format_for(options.format, options.output)
    check_outputs([options.output, options.report, options.summary])
    if options.report is not None and options.report.suffix.lower() not in PAGES and not is_special(options.report):
        raise InputError(f"--report {options.report}: the page is HTML; let its name end in .html")
    if options.annotate is not None:
        check_folder(options.annotate)
    return chosen


def _pictures(sources: list[Source], max_pixels: int) -> Iterator[Picture]:
    return with_progress(load(sources, max_pixels), len(sources), "photos")


def _draw(drawn: AnnotatedPhotos, result: PhotoResult, is_new: bool, blur: bool) -> str | None:
    """Save the annotated photo; returns why it could not be, so that a full disk costs no results on another one."""
    try:
        if is_new or not drawn.keep(result.source):
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
