"""Train on two hosts that are two network namespaces of this machine, and compare with one process.

Run as root, with ``ip`` (Debian: iproute2): ``python tools/two_hosts.py -o FOLDER``. A tiny network learns made-up faces: in
one process, on two hosts, on two hosts of two processes each; on two hosts killed in the middle and resumed, there and in one
process. Each is a command as users type it, with gloo. Prints how far losses and weights are from each other.
"""

# ruff: noqa: S603, S607 - it runs what it says, and `ip` is where the system has it

import argparse
import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from fsrfer.errors import FsrferError, TrainingError
from fsrfer.labels import EXPRESSIONS
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.recipes.schema import load_recipe, save_recipe
from fsrfer.training.pace import TIMES

HOSTS = {"fsrfer-a": "10.77.77.1", "fsrfer-b": "10.77.77.2"}
LINK = "cable"
"""The interface of each host that leads to the other."""

STEPS, BATCH = 12, 16
FOLDER_NAMES = {"surprise": "surprise", "happiness": "happy", "sadness": "sad", "anger": "angry"}


def main() -> int:
    """Train in every way, compare; 1 if something differs that must not."""
    parser = argparse.ArgumentParser(
        description="Training on two hosts that are network namespaces, against one process."
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="made anew; holds runs and logs"
    )
    folder = parser.parse_args().output
    folder.mkdir(parents=True)
    write_faces(folder / "faces")
    save_recipe(tiny(), folder / "tiny.toml")
    alone(folder, "one")
    with two_hosts():
        together(folder, "two-hosts", 1)
        together(folder, "two-hosts-of-two", 2)
        together(folder, "killed", 1, killed=True)
        shutil.copytree(folder / "killed", folder / "killed-then-one")
        together(folder, "killed", 1, "--resume")
    alone(folder, "killed-then-one", "--resume")
    return report(folder)


def tiny() -> ClassifierRecipe:
    """One small network without dropout, which each process draws for itself."""
    values = load_recipe("default").model_dump()
    (network, *_) = values["networks"].values()
    network["architecture"] |= {"stem": 4, "widths": [8], "blocks": [1], "dropout": 0.0}
    network["uplift"] |= {"hidden": 4, "blocks": 1}
    network["optimizer"]["warmup_steps"] = 1
    network["loop"] |= {
        "batch_size": BATCH,
        "max_steps": STEPS,
        "log_every": 1,
        "validate_every": 100,
        "checkpoint_every": 2,
    }
    values |= {
        "name": "tiny",
        "validation": "folder",
        "input": {"size": 16, "colour": "grey"},
        "networks": {"only": network},
    }
    values["export"]["members"] = ["only"]
    return ClassifierRecipe.model_validate(values)


def write_faces(folder: Path) -> None:
    """Faces that are patterns of a brightness for each class, in folders by class name."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("valid", 8)):
        for level, (name, label) in enumerate(FOLDER_NAMES.items()):
            assert name in EXPRESSIONS
            place = folder / split / label
            place.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (16, 16)) + 50 * level
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")


@contextmanager
def two_hosts() -> Iterator[None]:
    """Within the block two network namespaces with a cable between them."""
    first, second = HOSTS
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("-n", first, "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", second)
        for host, address in HOSTS.items():
            ip("-n", host, "addr", "add", f"{address}/24", "dev", LINK)
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "link", "set", LINK, "up")
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def ip(*words: str) -> None:
    """One command of iproute2.

    Raises:
        TrainingError: it fails.
    """
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        raise TrainingError(f"ip {' '.join(words)}: {str(said).strip()}; run this as root, with iproute2") from error


def command(run: str, *more: str) -> list[str]:
    """What is typed on each host."""
    train = [sys.executable, "-m", "fsrfer.cli.main", "train", "tiny.toml", "--data", "folder=faces", "-o", run]
    return [*train, "--precision", "32-true", *more]


def alone(folder: Path, run: str, *more: str) -> None:
    """A run of one process."""
    with (folder / f"{run}.log").open("a", encoding="utf-8") as log:
        ended(run, subprocess.run(command(run, *more), cwd=folder, stdout=log, stderr=log, check=False).returncode)


def together(folder: Path, run: str, devices: int, *more: str, killed: bool = False) -> None:
    """A run of both hosts; with ``killed`` all of it is killed once there is a checkpoint in the middle."""
    words = command(run, "--nodes", "2", "--devices", str(devices), *more)
    meeting = {"MASTER_ADDR": HOSTS["fsrfer-a"], "MASTER_PORT": "29500", "GLOO_SOCKET_IFNAME": LINK}
    processes = []
    for number, host in enumerate(HOSTS):
        with (folder / f"{run}-{host}.log").open("a", encoding="utf-8") as log:
            processes.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", host, *words],
                    cwd=folder,
                    env={**os.environ, **meeting, "NODE_RANK": str(number), "OMP_NUM_THREADS": "1"},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
    if killed:
        kill_in_the_middle(folder / run, processes)
    else:
        ended(run, max(process.wait() for process in processes))


def kill_in_the_middle(run: Path, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGKILL for both hosts, once a third of the steps is saved.

    Raises:
        TrainingError: the run ended before.
    """
    while not any(int(path.stem.partition("-")[2]) >= STEPS // 3 for path in run.rglob("step-*.safetensors")):
        if any(process.poll() is not None for process in processes):
            raise TrainingError(f"{run}: ended before it could be killed; see its log")
        time.sleep(0.01)
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ended(run: str, code: int) -> None:
    """Check how a run ended.

    Raises:
        TrainingError: not well.
    """
    print(f"{run}: done" if code == 0 else f"{run}: exit code {code}", flush=True)
    if code != 0:
        raise TrainingError(f"{run}: exit code {code}; see its log")


def report(folder: Path) -> int:
    """Print how far runs are from each other; 1 where something differs that must not."""
    pairs = [
        ("two-hosts", "one", 2e-3),
        ("two-hosts-of-two", "one", 2e-3),
        ("killed", "two-hosts", 0.0),
        ("killed-then-one", "one", 2e-3),
    ]
    right = True
    print(f"{'run':18} {'against':10} {'losses differ by':>17} {'weights by':>11}  allowed")
    for run, other, allowed in pairs:
        losses, weights = (
            difference(losses_of(folder / run), losses_of(folder / other)),
            weights_apart(folder, run, other),
        )
        right &= losses <= allowed and (weights == 0 or allowed > 0)
        print(f"{run:18} {other:10} {losses:17.2g} {weights:11.2g}  {allowed:g}")
    return 0 if right else 1


def losses_of(run: Path) -> dict[tuple[str, str], float]:
    """The losses of a run's network by step and name."""
    with (run / "networks" / "only" / "metrics-classifier.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["name"] not in TIMES and "accuracy" not in row["name"]]
    return {(row["step"], row["name"]): float(row["value"]) for row in rows}


def difference(one: dict[tuple[str, str], float], other: dict[tuple[str, str], float]) -> float:
    """The largest relative difference; infinite where one has what the other lacks."""
    if one.keys() != other.keys():
        return float("inf")
    return max(abs(one[key] - other[key]) / max(abs(other[key]), 1e-2) for key in one)


def weights_apart(folder: Path, run: str, other: str) -> float:
    """The largest difference of a weight."""
    ours, theirs = (load_file(folder / name / "model.safetensors") for name in (run, other))
    return max(float(np.abs(ours[key].astype(np.float64) - theirs[key]).max()) for key in ours)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FsrferError as problem:
        sys.exit(f"two_hosts.py: {problem}")
