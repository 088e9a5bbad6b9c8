"""``fsrfer push MODEL REPOSITORY`` and ``fsrfer push MODEL --to FOLDER``."""

import argparse
import os

from fsrfer.cli.options import path
from fsrfer.errors import FsrferError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "model",
        type=os.path.expanduser,
        metavar="MODEL",
        help="a bundled model, a model file, or a folder: a finished run's, or one that was pushed before",
    )
    parser.add_argument(
        "repository",
        nargs="?",
        metavar="hf://OWNER/NAME[@BRANCH]",
        help="of the Hugging Face hub; made private if it is not there (needs the extra hub)",
    )
    parser.add_argument("--to", type=path, metavar="FOLDER", help="write a folder instead; nothing leaves the machine")
    parser.add_argument("--public", action="store_true", help="let all the world read the repository")
    parser.add_argument(
        "--license",
        metavar="ID",
        help="of the weights, as the hub names it, such as cc-by-nc-4.0 (default: none is stated)",
    )


def run(options: argparse.Namespace) -> int:
    """Write or push a model; returns the exit code."""
    from fsrfer.artefacts.hub import Address, push
    from fsrfer.artefacts.writing import gather, write_folder

    if (options.repository is None) == (options.to is None):
        raise FsrferError("push: name a repository (hf://owner/name) or a folder (--to FOLDER), one of them")
    if options.to is not None:
        if options.public:
            raise FsrferError("--public: is said of a repository, not of a folder; leave it out")
        artefact = gather(options.model, options.license)
        write_folder(artefact, options.to)
        print(f"{options.to}: {artefact.info.name}, seal {artefact.seal}")
        return 0
    address = Address.of(options.repository)
    artefact = gather(options.model, options.license)
    print(f"{push(artefact, address, options.public)}: {artefact.info.name}, seal {artefact.seal}")
    return 0
