"""Views of faces, and what strong teachers make of them, made once and kept: what a student learns from pass after pass.

A strong teacher costs many times what its student does, so asking it in every step would take most of a training's time ("Fast
Knowledge Distillation", Shen and Xing, ECCV 2022).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from fsrfer.errors import DataError
from fsrfer.files import atomic_path
from fsrfer.networks.residual import ResidualNet
from fsrfer.training.compute import compiled, freeze, gathered, own_rows, place, time_is_up
from fsrfer.training.faces import Faces, as_maps
from fsrfer.training.loop import Paused
from fsrfer.training.randomness import batch_indices
from fsrfer.training.views import ViewPlan, Views, ViewSampler


@dataclass(frozen=True, slots=True)
class Taught:
    """What the teachers make of N faces.

    Attributes:
        logits: N x 7, the mean of theirs.
        features: N x K x side x side, the first one's last map; each channel has mean 0 and deviation 1 over the batch.
            None where they are not kept.
    """

    logits: Tensor
    features: Tensor | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch of N views, and what the teachers make of them.

    Attributes:
        views: what the student sees.
        same: of the same views.
        sharp: of the faces before they were shrunk; None where that was not asked for.
    """

    views: Views
    same: Taught
    sharp: Taught | None


class Lessons:
    """A number of batches, each in a file of its own, so that making them can stop at any time.

    Args:
        fabric: where to compute.
        plan: of the views; its seed is that of all lessons.
        faces: to learn from, at the student's size and colour.
        teachers: networks of any architecture, for faces of one size; the first one's features are kept, and the answer of all.
        side: of the student's last map, to which the first teacher's is averaged; 0 where features are not kept.
        count: of lessons.
        folder: of their files.
        sharp: whether the teachers are asked of the sharp faces too.
        shown: the same faces at the teachers' size and colour, where these are others than the student's.
    """

    def __init__(
        self,
        fabric: Fabric,
        plan: ViewPlan,
        faces: Faces,
        teachers: Sequence[ResidualNet],
        side: int,
        count: int,
        folder: Path,
        *,
        sharp: bool = False,
        shown: Faces | None = None,
    ) -> None:
        self.fabric, self.side, self.count, self.folder, self.sharp = fabric, side, count, folder, sharp
        self.sampler = ViewSampler(fabric, plan, faces)
        self.shown = self.sampler if shown is None else ViewSampler(fabric, plan, shown)
        self.channels = teachers[0].head.in_features if side else 0
        self.teachers = [compiled(fabric, place(fabric, freeze(teacher)).analyse) for teacher in teachers]

    def missing(self) -> list[int]:
        """Numbers of the lessons that are not made yet."""
        return [number for number in range(self.count) if self._is_missing(number)]

    def make_all(self, numbers: Iterable[int]) -> None:
        """Make those of these lessons that are missing; a resumed run makes what is left.

        The processes of one training make each together. Trainings of their own may share a folder, best in different orders.

        Raises:
            Paused: the time is up, `compute.Machine.deadline`.
        """
        numbers = [*numbers]
        for number in track(numbers, "lessons", disable=not (numbers and self.fabric.is_global_zero)):
            if self._is_missing(number):
                self._make(number)
                if time_is_up(self.fabric, together=True):
                    raise Paused(f"{self.folder}: {self.count - len(self.missing())} of {self.count} lessons")
        self.fabric.barrier()

    def at(self, seed: int, step: int) -> Lesson:
        """This process's part of the lesson of a step; every pass over all of them has an order of its own.

        Raises:
            DataError: its file cannot be read.
        """
        path = self._path(self._number(seed, step))
        rows = own_rows(self.fabric, self.sampler.plan.batch_size)
        try:
            kept = {name: tensor.to(self.fabric.device, non_blocking=True) for name, tensor in load_file(path).items()}
            faces = kept["faces"][rows].float().contiguous(memory_format=torch.channels_last)
            views = Views(faces, *(kept[name][rows] for name in ("log2_px", "votes", "labels", "weights")))
            same, sharp = self._taught(kept, "same", rows), self._taught(kept, "sharp", rows) if self.sharp else None
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{path}: cannot be read ({error}); remove it, it is made again") from error
        return Lesson(views, same, sharp)

    def sharp_faces(self, seed: int, step: int) -> Tensor:
        """The faces of the same lesson before they were shrunk, at the student's size: N x C x S x S, values 0..255."""
        return as_shown(self.sampler.sharp_faces(self._number(seed, step))[1])

    def _number(self, seed: int, step: int) -> int:
        return int(batch_indices(seed, step, self.count, 1))

    def _make(self, number: int) -> None:
        whole, views = self._drawn(self.sampler, number)
        shown, seen = (whole, views) if self.shown is self.sampler else self._drawn(self.shown, number)
        tensors = {
            "faces": views.faces.to(torch.uint8),
            "log2_px": views.log2_px,
            "votes": views.votes,
            "labels": views.labels,
            "weights": torch.ones_like(views.log2_px) if views.weights is None else views.weights,
            **self._ask("same", seen.faces),
        }
        if self.sharp:
            tensors |= self._ask("sharp", as_shown(shown))
        tensors = {name: gathered(self.fabric, tensor) for name, tensor in tensors.items()}
        if self.fabric.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(self._path(number)) as partial:
                save_file(tensors, partial)

    def _drawn(self, sampler: ViewSampler, number: int) -> tuple[Tensor, Views]:
        """Faces before they are shrunk, and their views; chances depend on the number alone, so all sizes have the same."""
        indices, drawn = sampler.sharp_faces(number)
        return drawn, sampler.collect([sampler.first_view(drawn, indices, number)], indices)

    @torch.no_grad()
    def _ask(self, name: str, faces: Tensor) -> dict[str, Tensor]:
        """The teachers' mean logits of faces, and the first one's last map at the student's places."""
        with self.fabric.autocast():
            outputs = [teacher(faces) for teacher in self.teachers]
        logits = torch.stack([output.logits.float() for output in outputs]).mean(0)
        if not self.side:
            return {name: logits}
        features = F.adaptive_avg_pool2d(outputs[0].lifted.float(), self.side)
        return {name: logits, f"{name}_features": features.half()}

    def _taught(self, kept: Mapping[str, Tensor], name: str, rows: slice) -> Taught:
        """Of some rows; features are normalised over the whole batch, so that the number of processes changes nothing."""
        if not self.side:
            return Taught(kept[name][rows], None)
        features = kept[f"{name}_features"].float()
        deviation, mean = torch.std_mean(features, dim=(0, 2, 3), keepdim=True)
        return Taught(kept[name][rows], ((features - mean) / (deviation + 1e-3))[rows])

    def _is_missing(self, number: int) -> bool:
        return not self._path(number).is_file()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05}.safetensors"


def as_shown(faces: Tensor) -> Tensor:
    """Faces in whole grey values, as a picture has them; N x C x S x S."""
    return torch.floor(faces + 0.5).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def last_side(network: ResidualNet, faces: Faces) -> int:
    """Side of a network's last map of such faces, in places."""
    device = next(network.parameters()).device
    was_training = network.training
    side = network.eval().analyse(as_maps(faces.pixels[:1]).to(device).float()).lifted.shape[-1]
    network.train(was_training)
    return int(side)
