"""What `legible` is worth: certain answers on faces, on hidden ones and on what is no face, with and without it, and its cost.

    python benchmarks/legibility.py --ferplus DIR --faces rafdb=DIR --pictures hall.jpg street.jpg --json legibility.json

Faces are FER+'s validation part; hidden ones are made from them and from the test part of ``--faces``, squares without faces
are taken from ``--pictures``, and ``--marked`` names boxes of these that somebody saw to be no face or a hidden one (JSON: file
name to a list of ``xyxy``). None of them may be what the network was trained on.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsrfer.data import ferplus, readers
from fsrfer.degradation import hiding
from fsrfer.files import write_text
from fsrfer.images import crop_faces, load_rgb, resize, shrink_and_restore, to_grey
from fsrfer.labels import EXPRESSIONS
from fsrfer.recognition.certainty import LEGIBLE_FROM, CertaintyRule
from fsrfer.recognition.detection import Detector
from fsrfer.recognition.legibility import LegibilityModel, are_cut_off
from fsrfer.recognition.model import ExpressionModel
from fsrfer.training.legibility_samples import DRAWN, pieces_of, seen, spoilt
from fsrfer.types import UInt8Image
from measuring import run

FACTORS = (1, 2, 4, 8)
SIDE = 48

CUTS: tuple[tuple[hiding.Edge, float], ...] = tuple(
    (edge, left) for edge in ("bottom", "left", "right") for left in (0.55, 0.65, 0.74)
)
"""How faces are cut for the detector to find: the edge, and what is left of the face."""


@dataclass(frozen=True, slots=True)
class Row:
    """Certain answers of one model on one kind of pictures.

    Attributes:
        model, what: which ones.
        count: pictures.
        before, after: share of them called certain without and with ``legible``, 0..1.
        right_before, right_after: share of the certain answers that are right, where there is a right one.
    """

    model: str
    what: str
    count: int
    before: float
    after: float
    right_before: float | None = None
    right_after: float | None = None


class Judge:
    """A model, its rule, and what tells how legible crops are."""

    def __init__(self, name: str) -> None:
        self.name, self.model, self.legibility = name, ExpressionModel(name, 1), LegibilityModel(1)
        self.rule = CertaintyRule.of_model(self.model.info)

    def row(
        self,
        what: str,
        crops: UInt8Image,
        height: float,
        labels: Sequence[str] = (),
        cut: NDArray[np.bool_] | None = None,
    ) -> Row:
        """Judge crops (uint8, N x 48 x 48) of faces ``height`` pixels high; ``cut``: those known to be cut off."""
        answers, legible = self.model.answers(crops), self.legibility.legible(crops)
        if cut is not None:
            legible = np.where(cut, 0, legible)
        judged = [self.rule.judge(row, height, effective) for row, effective in answers.each()]
        certain = np.array([one.certain for one in judged])
        kept = certain & (legible >= LEGIBLE_FROM)
        if not len(labels):
            return Row(self.name, what, len(crops), float(certain.mean()), float(kept.mean()))
        right = np.array([one.expression == label for one, label in zip(judged, labels, strict=True)])
        shares = float(right[certain].mean()), float(right[kept].mean()) if kept.any() else None
        return Row(self.name, what, len(crops), float(certain.mean()), float(kept.mean()), *shares)


def main() -> None:
    """Print the tables."""
    options = arguments()
    judged = ferplus.read_all(options.ferplus, "valid")
    pixels = np.stack([to_grey(load_rgb(one.path)) for one in judged])
    hidden = dict(illegible(options, pixels, judged))
    rows: list[Row] = []
    for name in options.models:
        judge = Judge(name)
        rows += faces_rows(judge, pixels, judged)
        rows += [judge.row(what, crops, SIDE) for what, crops in hidden.items()]
        rows += cut_rows(judge, options)
        count = sum(row.count for row in rows if row.model == name and row.right_before is None)
        weighted = [
            sum(getattr(row, when) * row.count for row in rows if row.model == name and row.right_before is None)
            / count
            for when in ("before", "after")
        ]
        rows.append(Row(name, "all of these that show none", count, *weighted))
    print("\n".join(line(row) for row in rows))
    costs = {name: cost(name, pixels) for name in options.models}
    for name, (alone, more) in costs.items():
        print(f"{name}: {alone:.3f} ms a face, legible {more:.3f} ms more ({more / alone:.1%})")
    if options.json:
        write_text(options.json, json.dumps({"rows": [asdict(row) for row in rows], "ms": costs}, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferplus", type=Path, required=True, metavar="DIR")
    parser.add_argument("--faces", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--marked", type=Path)
    parser.add_argument("--models", nargs="*", default=["default", "fast"])
    parser.add_argument("--count", type=int, default=200, help="pictures of each kind (%(default)s)")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def faces_rows(judge: Judge, pixels: UInt8Image, judged: Sequence[ferplus.Judged]) -> Iterator[Row]:
    """Faces with one of the seven expressions, at each factor."""
    labels = [one.winner for one in judged]
    kept = np.array([label in EXPRESSIONS for label in labels])
    named = [label for label in labels if label in EXPRESSIONS]
    for factor in FACTORS:
        small = np.stack([shrink_and_restore(face, factor) for face in pixels[kept]])
        yield judge.row(f"FER+ valid x{factor}", small, SIDE / factor, named)


def illegible(
    options: argparse.Namespace, pixels: UInt8Image, judged: Sequence[ferplus.Judged]
) -> Iterator[tuple[str, UInt8Image]]:
    """Crops that show no expression, by kind."""
    rng = np.random.default_rng(7)
    unknown = np.array([one.told <= 0.5 for one in judged])
    yield "FER+ valid, half of the voters could not tell", pixels[unknown]
    pieces = [piece for path in options.pictures for piece in squares(path, rng)]
    clear = [pixels[index] for index in np.flatnonzero([one.told == 1 for one in judged])]
    for name, path in readers.parse_sources(options.faces).items():
        more = readers.read(name, path, "test")
        clear += [to_grey(more.load(index)) for index in range(0, len(more), 3)]
    if pieces:
        yield from made(clear, pieces, options.count, rng)
    if options.marked:
        boxes: Mapping[str, list[list[float]]] = json.loads(options.marked.read_text("utf-8"))
        by_path = {path.name: path for path in options.pictures}
        crops = [crop_faces(to_grey(load_rgb(by_path[name])), own, SIDE, 0.0) for name, own in boxes.items()]
        yield "marked by eye", np.concatenate(crops)


def made(
    clear: Sequence[UInt8Image], pieces: Sequence[UInt8Image], count: int, rng: np.random.Generator
) -> Iterator[tuple[str, UInt8Image]]:
    """Hidden and spoilt faces, things that are no face, and pieces of pictures."""
    kinds: dict[str, list[UInt8Image]] = {"piece of a picture": [], "made thing": []}
    while min(map(len, kinds.values())) < count or len(kinds) < 9:
        face, piece = clear[int(rng.integers(len(clear)))], pieces[int(rng.integers(len(pieces)))]
        kind, picture = spoilt(resize(face, (DRAWN, DRAWN)), piece, rng)
        kinds.setdefault(kind, []).append(resize(picture, (SIDE, SIDE)) if kind == "blurred" else seen(picture, rng))
        kinds["piece of a picture"].append(seen(piece, rng))
        kinds["made thing"].append(seen(hiding.no_face(piece, DRAWN, rng), rng))
    for kind, crops in kinds.items():
        yield kind, np.stack(crops[:count])


def squares(path: Path, rng: np.random.Generator) -> list[UInt8Image]:
    """Squares of a picture beside its faces."""
    rgb = load_rgb(path)
    return pieces_of(to_grey(rgb), Detector("default", 1).detect(rgb).boxes, 150, rng)


def cut_rows(judge: Judge, options: argparse.Namespace) -> Iterator[Row]:
    """Faces that the picture's edge cuts, as the detector finds them, at 100 px."""
    detector, crops, cut, labels = Detector("fast", 1), [], [], []
    for name, path in readers.parse_sources(options.faces).items():
        data = readers.read(name, path, "test")
        for number, index in enumerate(range(0, len(data), max(1, len(data) // options.count))):
            edge, left = CUTS[number % len(CUTS)]
            photo = cut_photo(data.load(index), edge, left)
            found = detector.detect(photo)
            if len(found):
                crops.append(crop_faces(to_grey(photo), found.boxes[:1].tolist(), SIDE, 0.0)[0])
                cut.append(are_cut_off(found, *photo.shape[:2])[0])
                labels.append(EXPRESSIONS[data.samples[index].label])
    if crops:
        pictures, known = np.stack(crops), np.array(cut)
        yield judge.row("cut by the edge, found; network alone", pictures, 100.0, labels)
        yield judge.row("cut by the edge, found; landmarks too", pictures, 100.0, labels, known)


def cut_photo(face: UInt8Image, edge: hiding.Edge, left: float) -> UInt8Image:
    """A picture of an aligned face with room around it, cut so that ``left`` of the face remains."""
    side = len(face)
    photo = np.pad(face, ((side // 2, side // 2), (side // 2, side // 2), (0, 0)), "edge")
    at = side // 2 + round(left * side)
    if edge == "bottom":
        return photo[:at]
    return photo[:, :at] if edge == "right" else photo[:, photo.shape[1] - at :]


def cost(name: str, pixels: UInt8Image, repeat: int = 15) -> tuple[float, float]:
    """Processor milliseconds a face of the model alone, and of ``legible`` besides, in batches of 64; least of several."""
    judge, batch = Judge(name), pixels[:64]
    start = time.process_time()
    alone, more = [], []
    for _ in range(repeat + 1):
        alone.append(once_on_processor(lambda: judge.model.answers(batch)))
        more.append(once_on_processor(lambda: judge.legibility.legible(batch)))
        if time.process_time() - start > 60:
            break
    return 1000 * min(alone[1:]) / len(batch), 1000 * min(more[1:]) / len(batch)


def once_on_processor(action: Callable[[], object]) -> float:
    """Processor seconds that one call takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def line(row: Row) -> str:
    """A row of the table."""
    right = [f"{share:.1%}" if share is not None else "-" for share in (row.right_before, row.right_after)]
    return (
        f"{row.model:<8} {row.what:<46} {row.count:>5}   certain {row.before:6.1%} -> {row.after:6.1%}"
        f"   right {right[0]:>6} -> {right[1]:>6}"
    )


if __name__ == "__main__":
    run(main)
