"""``fsrfer serve``: expressions by HTTP; nothing is stored."""

import argparse

from fsrfer.cli.options import (
    add_detector_arguments,
    add_device_argument,
    add_min_group_argument,
    add_model_argument,
    megapixels,
    path,
    positive,
)

MIB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fsrfer serve``."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument("--port", type=_port, default=8000, metavar="N", help="(%(default)s; 0: any free one)")
    parser.add_argument(
        "--token-file",
        type=path,
        metavar="FILE",
        help="its first line is the token that clients must show; needed to listen at other addresses than this machine's own",
    )
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="a name that the service is asked for by"
    )
    parser.add_argument(
        "--max-megapixels",
        type=megapixels,
        dest="max_pixels",
        default=50_000_000,
        metavar="N",
        help="of a picture (50)",
    )
    parser.add_argument("--max-upload", type=positive, default=20, metavar="MB", help="of a request (%(default)s)")
    parser.add_argument("--max-video", type=positive, default=100, metavar="MB", help="of a video (%(default)s)")
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that decode and find faces (as many as granted processors)",
    )
    parser.add_argument(
        "--queue",
        type=positive,
        default=128,
        metavar="N",
        help="requests under way; more are answered 503 (%(default)s)",
    )
    parser.add_argument(
        "--aggregate-only", action="store_true", help="tell nothing of single faces, and of no group below --min-group"
    )
    add_min_group_argument(parser)
    add_model_argument(parser)
    add_detector_arguments(parser)
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="processor threads of the recogniser (1: workers take the others)"
    )
    add_device_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes; 0 once all that was under way is answered."""
    from fsrfer.serving import server
    from fsrfer.serving.settings import ServiceSettings, read_token

    settings = ServiceSettings(
        host=options.host,
        port=options.port,
        token=read_token(options.token_file) if options.token_file else None,
        allowed_hosts=tuple(options.allowed_host),
        max_pixels=options.max_pixels,
        max_upload=options.max_upload * MIB,
        max_video=options.max_video * MIB,
        workers=options.workers,
        queue=options.queue,
        aggregate_only=options.aggregate_only,
        min_group=options.min_group,
        model=options.model,
        detector=options.detector,
        threads=options.threads,
        min_face=options.min_face,
        device=options.device,
    )
    server.run(settings)
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to 65535")
    return int(text)
