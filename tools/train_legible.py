"""Train the bundled network that tells whether an expression can be told, and write its sealed file.

    python tools/train_legible.py --ferplus DIR --faces rafdb=DIR --pictures DIR -o runs/legible

Needs the extra ``train``, FER+ (its votes for *unknown* and *not a face* count), and pictures with or without faces, of which
the parts beside the faces are used. ``--faces`` are further aligned faces, all of them taken for legible. About ten minutes on
one core; a stopped run goes on from its newest checkpoint when the same command is given again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from fsrfer.data import ferplus, readers
from fsrfer.data.dataset import fingerprint
from fsrfer.errors import FsrferError, InputError
from fsrfer.export.onnx import to_onnx, write_model
from fsrfer.folders import walk
from fsrfer.images import SUFFIXES, load_rgb, shrink_and_restore, to_grey
from fsrfer.model_file import ModelInfo
from fsrfer.networks.legibility import LegibilityNetwork, Legible
from fsrfer.recipes.sections import LoopSettings
from fsrfer.recognition.certainty import CertaintyRule
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training import loop
from fsrfer.training.compute import open_fabric
from fsrfer.training.legibility import BATCH, LegibilityPlan, LegibilityTrainer, log_odds
from fsrfer.training.legibility_samples import SIDE, Samples, made_samples, pieces_of
from fsrfer.training.run import record_origin
from fsrfer.types import UInt8Image
from fsrfer.version import __version__

PIECES = 400
"""Squares taken from each picture."""

HELD_BACK = 10
"""One face and one piece in so many is not learned from: the bound is chosen on them."""

FALL = 0.02
"""Most that the share of certain answers may fall on faces held back, at any factor."""

FACTORS = (1, 2, 4, 8)


def main() -> int:
    """Train, choose the bound, export."""
    options = arguments()
    faces, told, digest = aligned_faces(options)
    pieces = squares(options.pictures, options.seed)
    held = np.arange(len(faces)) % HELD_BACK == 0
    train = samples(faces, told, pieces, ~held, options.seed)
    valid = samples(faces, told, pieces, held, options.seed + 1)
    plan = LegibilityPlan(options.seed, options.steps)
    learnt = fingerprint(train.pixels, train.told)
    record_origin(options.output, {"seed": options.seed, "steps": options.steps, "samples": learnt})
    trainer = LegibilityTrainer(plan, train, valid)
    fabric = open_fabric(1, 1, "32-true")
    settings = LoopSettings(
        batch_size=BATCH, max_steps=plan.max_steps, log_every=100, validate_every=500, checkpoint_every=250
    )
    loop.run(fabric, trainer, settings, options.output, "legible")
    report(trainer.network, valid)
    bound = least_bound(trainer.network, [faces[index] for index in np.flatnonzero(held)], options.models)
    write(trainer.network, bound, plan, {"ferplus": digest, "samples": len(train)}, options.output / "legible.onnx")
    return 0


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferplus", type=Path, required=True, metavar="DIR", help="FER+; its training part is used")
    parser.add_argument(
        "--faces", nargs="*", default=[], metavar="NAME=PATH", help="further aligned faces, training parts"
    )
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, help="pictures, or folders of them")
    parser.add_argument(
        "--models", nargs="*", default=["default", "fast"], help="of whose certain answers few may be lost"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=LegibilityPlan().max_steps)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    return parser.parse_args()


def aligned_faces(options: argparse.Namespace) -> tuple[list[UInt8Image], list[float], str]:
    """Grey faces, the share of voters who told an expression of each, and the SHA-256 of those of FER+."""
    judged = ferplus.read_all(options.ferplus, "train")
    faces = [to_grey(load_rgb(one.path)) for one in track(judged, "FER+")]
    told = [one.told for one in judged]
    digest = fingerprint(np.stack(faces), np.array(told, np.float32))
    for name, path in readers.parse_sources(options.faces).items():
        more = readers.read(name, path, "train")
        faces += [to_grey(more.load(index)) for index in track(range(len(more)), name)]
        told += [1.0] * len(more)
    return faces, told, digest


def squares(sources: list[Path], seed: int) -> list[UInt8Image]:
    """Squares beside the faces of all pictures."""
    detector = Detector("default", 1)
    pieces: list[UInt8Image] = []
    for source in sources:
        found = walk(source, SUFFIXES) if source.is_dir() else None
        if found and found.unreadable:
            raise InputError(f"{found.unreadable[0][0]}: the folder cannot be read ({found.unreadable[0][1]})")
        for path in found.files if found else [source]:
            rgb = load_rgb(path)
            rng = np.random.default_rng([seed, len(pieces)])
            pieces += pieces_of(to_grey(rgb), detector.detect(rgb).boxes, PIECES, rng)
    if len(pieces) <= HELD_BACK:
        raise InputError(f"--pictures: only {len(pieces)} squares beside faces in them; name more, or larger, pictures")
    return pieces


def samples(
    faces: list[UInt8Image], told: list[float], pieces: list[UInt8Image], which: NDArray[np.bool_], seed: int
) -> Samples:
    """Samples from some of the faces and from the same share of the pieces."""
    kept = np.flatnonzero(which)
    held = np.arange(len(pieces)) % HELD_BACK == 0
    mine = [pieces[index] for index in np.flatnonzero(held if len(kept) < len(faces) / 2 else ~held)]
    return made_samples(
        [faces[index] for index in kept],
        [told[index] for index in kept],
        mine,
        seed,
        lambda numbers: track(list(numbers), "samples"),
    )


def report(network: LegibilityNetwork, valid: Samples) -> None:
    """Print, for each kind of sample held back, how many have log-odds above some values."""
    odds = log_odds(network, valid.pixels)
    for kind in np.unique(valid.kinds):
        mine = odds[valid.kinds == kind]
        shares = "  ".join(f">{bound:g}: {(mine > bound).mean():6.1%}" for bound in (-2, -1, 0, 1, 2, 3))
        print(f"{kind:<20} {len(mine):>6}  {shares}")


def least_bound(network: LegibilityNetwork, faces: list[UInt8Image], models: list[str]) -> float:
    """The largest log-odds, in steps of 0.1, below which few certain answers lie: at most `FALL` of all answers."""
    sharp = np.stack([face for face in faces if face.shape == (SIDE, SIDE)])[:800]
    bound = 10.0
    for factor in FACTORS:
        small = np.stack([shrink_and_restore(face, factor) for face in sharp])
        odds = log_odds(network, small)
        for name in models:
            certain = certain_answers(ExpressionModel(name, 1), small, factor)
            lost = np.sort(odds[certain])
            most = int(FALL * len(small))
            bound = min(bound, float(lost[most]) if most < len(lost) else bound)
            print(f"{name} x{factor}: {certain.mean():.1%} certain; bound {bound:.2f}")
    return float(np.floor(bound * 10) / 10)


def certain_answers(model: ExpressionModel, faces: UInt8Image, factor: float) -> NDArray[np.bool_]:
    """Which answers the model's rule calls certain."""
    rule = CertaintyRule.of_model(model.info)
    answers = model.answers(faces).each()
    return np.array([rule.judge(row, SIDE / factor, effective).certain for row, effective in answers])


def write(
    network: LegibilityNetwork, bound: float, plan: LegibilityPlan, data: dict[str, object], target: Path
) -> None:
    """The sealed file."""
    parameters = sum(one.numel() for one in network.parameters())
    info = ModelInfo(
        name="legible",
        version="1",
        labels=("legible",),
        size=SIDE,
        colour="grey",
        margin=0.0,
        parameters=parameters,
        training={"seed": plan.seed, "steps": plan.max_steps, "bound": bound, "data": data, "fsrfer": __version__},
    )
    write_model(to_onnx(Legible(network, bound), 1, SIDE, ("legible",)), info, target)
    print(f"{target}: {parameters} parameters, {target.stat().st_size} bytes, bound {bound}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FsrferError as error:
        print(f"train_legible.py: {error}", file=sys.stderr)
        sys.exit(2)
