"""`fsrfer train` on a few tiny faces, as a user types it and in this process."""

import csv
import os
import subprocess
import sys

import torch

from fsrfer.cli.main import main
from fsrfer.recipes.schema import shortened
from fsrfer.training.classifier import Given, train_classifier
from fsrfer.training.pace import TIMES


def command(recipe, rafdb, run, *more, steps=6, changes=()):
    return [
        sys.executable, "-m", "fsrfer.cli.main", "train", str(recipe), "--data", f"rafdb={rafdb}", "-o", str(run),
        "--max-steps", str(steps), "--precision", "32-true", *(["--set", *changes] if changes else []), *map(str, more),
    ]  # fmt: skip


def fsrfer(arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        arguments, check=False, env=environment, capture_output=True, text=True, timeout=300, **options
    )


def here(arguments):
    """The same command in this process, which is quicker; the exit code."""
    torch.set_num_threads(1)  # as `fsrfer` has it, so that both compute the same to the last bit
    return main(arguments[3:])


def trained(fabric, recipe, rafdb, folder, steps=6, **given):
    """The folder of a run, without a model file, whose making is what takes long."""
    train_classifier(fabric, shortened(recipe, steps), {"rafdb": rafdb}, folder, Given(**given), steps)
    return folder


def refusal(arguments, capsys):
    """The one line in which a command is refused."""
    capsys.readouterr()
    assert here(arguments) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1, complaint
    return complaint


def losses(run, stage):
    with (run / f"metrics-{stage}.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["name"] not in TIMES]
    return {(int(row["step"]), row["name"]): float(row["value"]) for row in rows}
