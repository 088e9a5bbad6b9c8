"""``fsrfer score``: expressions of every face in an archive, by many processes or machines."""

import argparse
from contextlib import redirect_stdout
from io import StringIO

from fsrfer.cli.options import (
    add_detector_arguments,
    add_device_argument,
    add_limit_argument,
    add_min_group_argument,
    add_model_argument,
    positive,
    say,
)
from fsrfer.cli.progress import scoring_progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer score``."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder, pattern, tar, manifest (.parquet, .csv, .tsv, .txt) or Parquet with pictures; a path, or s3://, gs://",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="a folder, here or on a store; the same command resumes"
    )
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="where workers are (%(default)s)")
    parser.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: this machine's own)")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes (default: one a processor)")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of each worker (%(default)s)")
    parser.add_argument("--format", choices=("parquet",), default="parquet", help="of the tables (%(default)s)")
    parser.add_argument(
        "--path-column", default="path", metavar="NAME", help="of a manifest; others are carried along (%(default)s)"
    )
    parser.add_argument(
        "--aggregate-only", action="store_true", help="write groups alone, nothing of single faces or photos"
    )
    parser.add_argument(
        "--by", metavar="COLUMN", help="the groups: a column of the manifest, or: folder (default: one of all)"
    )
    add_min_group_argument(parser)
    add_detector_arguments(parser)
    add_model_argument(parser)
    add_device_argument(parser)
    add_limit_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Score what is not yet scored; 0 once all is."""
    from fsrfer.scoring.plan import Settings
    from fsrfer.scoring.run import score

    settings = Settings(
        model=options.model,
        detector=options.detector,
        device=options.device,
        min_face=options.min_face,
        max_pixels=options.max_pixels,
        aggregate_only=options.aggregate_only,
        by=options.by,
        min_group=options.min_group,
        path_column=options.path_column,
    )
    # Ray prints the last words of nodes to standard output, where nothing of ours goes.
    with scoring_progress() as progress, redirect_stdout(StringIO()):
        result = score(
            options.source,
            options.output,
            engine=options.engine,
            address=options.address,
            workers=options.workers,
            threads=options.threads,
            settings=settings,
            progress=progress,
        )
    faces = "" if result.faces is None else f", {result.faces:,} faces"
    say(f"fsrfer: {result.photos:,} photos{faces} in {options.output}; {result.scored:,} of them now")
    if result.failed:
        killed = f", {result.killed:,} of them because they ended a process" if result.killed else ""
        where = "" if options.aggregate_only else f" (see error in {options.output.rstrip('/')}/photos)"
        say(f"fsrfer: {result.failed:,} photos could not be looked at{killed}{where}")
    return 0
