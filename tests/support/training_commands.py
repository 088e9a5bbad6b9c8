"""`fsrfer train` on a few tiny faces, as a user types it and in this process."""

import csv
import os
import subprocess
import sys

from fsrfer.cli.main import main
from support.tiny_recipes import TINY_CLASSIFIER, TINY_COMPACT, TINY_FSR

RECIPES = {
    "compact-small": [*TINY_COMPACT, "losses.adversarial=0.1", "camera.share=0.5", "camera.noise=10.0"],
    "mixed": TINY_CLASSIFIER,
    "paper-small": TINY_FSR,
}
ANSWERS_ONLY = ["losses.feature=0.0", "losses.perceptual=0.0", "losses.adversarial=0.0"]
"""For a teacher that makes other maps."""


def command(recipe, rafdb, run, *more, steps=6, changes=()):
    parent = [f"parent={rafdb / 'parent.toml'}"] if recipe == "compact-small" else []
    return [
        sys.executable, "-m", "fsrfer.cli.main", "train", recipe, "--data", f"rafdb={rafdb}", "-o", str(run),
        "--max-steps", str(steps), "--precision", "32-true", "--set", *RECIPES.get(recipe, TINY_CLASSIFIER), *parent,
        *changes, *more,
    ]  # fmt: skip


def fsrfer(arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        arguments, check=False, env=environment, capture_output=True, text=True, timeout=300, **options
    )


def here(arguments):
    """The same command in this process, which is quicker; the exit code."""
    return main(arguments[3:])


def losses(run, stage):
    with (run / f"metrics-{stage}.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["name"] != "seconds"]
    return {(int(row["step"]), row["name"]): float(row["value"]) for row in rows}
