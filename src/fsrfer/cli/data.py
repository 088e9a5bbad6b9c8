"""``fsrfer data pack --data NAME=PATH... -o FILE``."""

import argparse
import warnings
from typing import TYPE_CHECKING

from fsrfer.cli.options import path, positive
from fsrfer.errors import AbsentError, DataError, FsrferWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from fsrfer.data.dataset import FaceDataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    summary = "decode data sets into one file"
    pack = actions.add_parser("pack", help=summary, description=summary[0].upper() + summary[1:] + ".")
    pack.add_argument(
        "--data", nargs="+", required=True, metavar="NAME=PATH", help="data sets, such as ferplus=DIR or rafdb=DIR"
    )
    pack.add_argument(
        "--split", nargs="+", metavar="SPLIT", help="pack these parts alone, such as train valid (default: all)"
    )
    pack.add_argument(
        "--size",
        type=positive,
        metavar="S",
        help="bring faces to S x S pixels, for training at this size alone (default: as they are)",
    )
    pack.add_argument(
        "--max-faces",
        type=positive,
        metavar="N",
        help="at most N faces of each part, from all over it, for a first try",
    )
    pack.add_argument(
        "--colour", choices=("grey", "rgb"), default="grey", help="of faces brought to a size (default %(default)s)"
    )
    pack.add_argument(
        "-o", "--output", type=path, required=True, metavar="FILE", help="the pack, such as faces.safetensors"
    )


def run(options: argparse.Namespace) -> int:
    """Pack data sets; returns the exit code."""
    from collections.abc import Iterable

    from rich.console import Console
    from rich.progress import track

    from fsrfer.data import packed, readers
    from fsrfer.data.dataset import spread
    from fsrfer.files import check_outputs

    sources = readers.parse_sources(options.data)
    if not packed.is_pack(options.output):
        raise DataError(f"{options.output}: a pack's name ends in {packed.SUFFIX}; name it so")
    check_outputs([options.output], sources.values())
    datasets = list(_parts(sources, options.split or ()))
    if options.max_faces is not None:
        datasets = [spread(dataset, options.max_faces) for dataset in datasets]
    progress = Console(stderr=True)

    def tracked(indices: Iterable[int], what: str) -> Iterable[int]:
        return track(indices, what, console=progress, transient=True, disable=not progress.is_terminal)

    packed.pack(datasets, options.output, options.size, options.colour, tracked)
    faces = ", ".join(f"{dataset.name} {dataset.split} {len(dataset):,}" for dataset in datasets)
    megabytes, sha256 = options.output.stat().st_size / 1e6, packed.content_hash(options.output)
    Console(soft_wrap=True).print(
        f"{options.output}: {faces} faces, {megabytes:.1f} MB, SHA-256 {sha256}", highlight=False
    )
    return 0


def _parts(sources: "Mapping[str, Path]", wanted: "Sequence[str]") -> "Iterator[FaceDataset]":
    """The parts asked for; or all, without those of a published layout that are not there, as a test part kept apart.

    Raises:
        DataError: a part cannot be read, or one that was asked for, or every part of a data set, is not there.
    """
    from fsrfer.data import readers

    for name, place in sources.items():
        if wanted:
            yield from (readers.read(name, place, split) for split in wanted)
            continue
        found, missing = [], []
        for split in readers.splits_of(name, place) or ("all",):
            try:
                found.append(readers.read(name, place, split))
            except AbsentError as error:
                missing.append(error)
        if not found:
            raise missing[0]
        for reason in missing:
            warnings.warn(f"left out: {reason}", FsrferWarning, stacklevel=2)
        yield from found
