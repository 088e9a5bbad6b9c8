"""What tests of trainers share: a few tiny faces in memory, a process among several, and settings."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsrfer.recipes.sections import AugmentationSettings, CameraSettings
from fsrfer.training import checkpoint
from fsrfer.training.faces import Faces
from support.made_faces import pattern

UNCHANGED = AugmentationSettings(flip=False, rotation=0.0, scale=0.0, shift=0.0, gamma=0.0, erase=0.0)
STRONG = AugmentationSettings(flip=True, rotation=20.0, scale=0.2, shift=0.1, gamma=0.4, erase=0.5)
NO_CAMERA = CameraSettings(share=0.0, blur=0.0, motion=0.0, noise=0.0, jpeg_quality=100)
POOR_CAMERA = CameraSettings(share=1.0, blur=1.0, motion=1.5, noise=10.0, jpeg_quality=40)


def tiny_faces(count: int = 42) -> Faces:
    """Patterns of 16 pixels that were 20, 10 or 16 pixels high, labels in turn."""
    rng = np.random.default_rng(0)
    labels = torch.arange(count) % 7
    pixels = np.stack([pattern(int(label), 16, rng) for label in labels])
    heights = torch.tensor([20, 10, 16])[torch.arange(count) % 3]
    return Faces(torch.from_numpy(pixels), F.one_hot(labels, 7).float(), labels, heights, {"made train": "a hash"})


def process(rank: int, processes: int = 2) -> SimpleNamespace:
    """A fabric that is one of several processes, each alone with what it computes."""
    return SimpleNamespace(
        world_size=processes, global_rank=rank, device=torch.device("cpu"), to_device=lambda module: module,
        all_reduce=lambda values: values,
    )  # fmt: skip


def state(*parts: nn.Module) -> list[Tensor]:
    """A copy of every weight and statistic."""
    return [value.clone() for part in parts for value in part.state_dict().values()]


def require_resumed_alike(one, again, folder: Path) -> None:
    """Two steps of a trainer, saved and put back into another, which takes the third as the first does."""
    for step in range(2):
        one.train_step(step)
    checkpoint.save(folder, 2, checkpoint.state_of(one.parts))
    step, saved = checkpoint.load(checkpoint.newest(folder))
    checkpoint.restore(again.parts, saved)
    assert again.train_step(step) == one.train_step(step)
    networks = [[part for part in trainer.parts.values() if isinstance(part, nn.Module)] for trainer in (one, again)]
    assert same(*(state(*parts) for parts in networks))
    assert one.validate() == again.validate()


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))
