"""What the arms of a study learn from: views of faces, and what a strong teacher makes of them, made once and kept.

A strong teacher costs many times what its student does. Every arm and seed learns from the same lessons, so each is made once.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from fsrfer.errors import DataError
from fsrfer.files import atomic_path
from fsrfer.networks.residual import ResidualNet
from fsrfer.training.compute import freeze, place
from fsrfer.training.faces import Faces
from fsrfer.training.randomness import batch_indices
from fsrfer.training.views import ViewPlan, Views, ViewSampler


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch of N views, and what the teacher makes of them.

    Attributes:
        views: what the student sees.
        same: N x 7, the teacher's logits of the same views.
        sharp: N x 7, its logits of the faces before they were shrunk.
        same_features: N x K x side x side, its last map of the same views.
        sharp_features: N x K x side x side, of the faces before they were shrunk.

    Each channel of the maps has mean 0 and deviation 1 over the batch.
    """

    views: Views
    same: Tensor
    sharp: Tensor
    same_features: Tensor
    sharp_features: Tensor


class Lessons:
    """A number of batches, each in a file of its own, so that making them can stop at any time.

    Args:
        fabric: where to compute, in one process.
        plan: of the views; its seed is that of all lessons.
        faces: to learn from, at the teacher's size and colour.
        teacher: of any architecture.
        side: of the student's last map, to which the teacher's is averaged.
        count: of lessons.
        folder: of their files.
    """

    def __init__(
        self, fabric: Fabric, plan: ViewPlan, faces: Faces, teacher: ResidualNet, side: int, count: int, folder: Path
    ) -> None:
        self.fabric, self.side, self.count, self.folder = fabric, side, count, folder
        self.sampler = ViewSampler(fabric, plan, faces)
        self.teacher = place(fabric, freeze(teacher))

    def missing(self) -> list[int]:
        """Numbers of the lessons that are not made yet."""
        return [number for number in range(self.count) if self.is_missing(number)]

    def is_missing(self, number: int) -> bool:
        """Whether a lesson is not made yet."""
        return not self._path(number).is_file()

    def make(self, number: int) -> None:
        """Make a lesson and keep it; several processes may make different ones at once."""
        plan, sampler = self.sampler.plan, self.sampler
        indices, drawn = sampler.sharp_faces(number)
        views = sampler.collect([sampler.first_view(drawn, indices, number)], indices)
        same, same_features = self._taught(views.faces)
        sharp, sharp_features = self._taught(torch.floor(drawn + 0.5).contiguous(memory_format=torch.channels_last))
        tensors = {
            "faces": views.faces.to(torch.uint8),
            "log2_px": views.log2_px,
            "votes": views.votes,
            "labels": views.labels,
            "weights": torch.ones(plan.batch_size) if views.weights is None else views.weights,
            "same": same,
            "sharp": sharp,
            "same_features": same_features.half(),
            "sharp_features": sharp_features.half(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._path(number)) as partial:
            save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, partial)

    def at(self, seed: int, step: int) -> Lesson:
        """The lesson of a step; every pass over all of them has an order of its own.

        Raises:
            DataError: its file cannot be read.
        """
        path = self._path(int(batch_indices(seed, step, self.count, 1)))
        try:
            kept = {name: tensor.to(self.fabric.device) for name, tensor in load_file(path).items()}
            faces = kept["faces"].float().contiguous(memory_format=torch.channels_last)
            views = Views(faces, *(kept[name] for name in ("log2_px", "votes", "labels", "weights")))
            features = [_normalised(kept[name].float()) for name in ("same_features", "sharp_features")]
            return Lesson(views, kept["same"], kept["sharp"], *features)
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{path}: cannot be read ({error}); remove it, it is made again") from error

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05}.safetensors"

    @torch.no_grad()
    def _taught(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's logits of faces, and its last map at the student's places."""
        with self.fabric.autocast():
            output = self.teacher.analyse(faces)
        return output.logits.float(), F.adaptive_avg_pool2d(output.lifted.float(), self.side)


def _normalised(maps: Tensor) -> Tensor:
    deviation, mean = torch.std_mean(maps, dim=(0, 2, 3), keepdim=True)
    return (maps - mean) / (deviation + 1e-3)
