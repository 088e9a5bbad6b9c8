"""``fsrfer classify``: expressions of face crops, without detection."""

import argparse

from fsrfer.cli.options import add_limit_argument, add_model_arguments, add_output_arguments, complain
from fsrfer.cli.progress import with_progress
from fsrfer.files import check_outputs
from fsrfer.output.sinks import format_for, open_crop_sink
from fsrfer.photo.recognizer import Recognizer
from fsrfer.recognition.sources import expand, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer classify``."""
    parser.add_argument(
        "faces", nargs="+", metavar="FACE", help="pictures filled by one face each: files, folders, globs"
    )
    add_output_arguments(parser)
    add_model_arguments(parser)
    add_limit_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Classify every crop; 0 if all went well, 2 if any failed."""
    chosen = format_for(options.format, options.output)
    check_outputs([options.output])
    sources = expand(options.faces)
    check_outputs([options.output], [*(source.name for source in sources), options.model])
    recognizer = Recognizer(options.model, threads=options.threads, device=options.device)
    pictures = with_progress(load(sources, options.max_pixels), len(sources), "faces")
    failures = 0
    with open_crop_sink(chosen, options.output) as sink:
        for result in recognizer.classify_pictures(pictures):
            sink.write(result)
            if result.error is not None:
                failures += 1
                complain(result.error)
    return 2 if failures else 0
