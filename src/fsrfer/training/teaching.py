"""What teachers answer: one answer of all of them, to a face and its mirror image, closed to gradients."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fsrfer.errors import TrainingError
from fsrfer.files import atomic_path
from fsrfer.training.compute import time_is_up
from fsrfer.training.faces import Faces, as_maps
from fsrfer.training.loop import Paused

BATCH, PART = 256, 2048
"""Faces that teachers see at once, and whose answers make a file."""

ANSWERS = "answers"
"""In a network's run: what its teachers answer to its training faces, so that going on does not ask them again."""


@torch.no_grad()
def teacher_logits(fabric: Fabric, teachers: Sequence[nn.Module], faces: Tensor) -> Tensor:
    """Mean logits of all teachers, each of the faces and their mirror images.

    Args:
        fabric: where to compute.
        teachers: frozen networks from faces to logits.
        faces: float, N x C x S x S, values 0..255.

    Returns:
        float32, N x 7.
    """
    with fabric.autocast():
        answers = [teacher(look).float() for teacher in teachers for look in (faces, faces.flip(-1))]
    return torch.stack(answers).mean(0)


def blended_labels(fabric: Fabric, faces: Faces, teachers: Sequence[nn.Module], share: float, run: Path) -> Faces:
    """The same faces, with a share of every label distribution from the teachers' answer to the face as it is.

    Ten voters leave a face's true label distribution uncertain; networks that have seen all other faces are a second opinion
    ("Label Refinery", Bagherinezhad et al., 2018, arXiv:1805.02641).

    Args:
        fabric: where to compute.
        faces: whose votes are mixed; their labels stay.
        teachers: frozen, at the faces' size and colour.
        share: weight of the answer beside the votes', 0..1.
        run: folder of the network that learns; the answers are kept there, part by part, and taken from there.

    Raises:
        TrainingError: the answers that are kept cannot be read.
        Paused: the time is up, `compute.Machine.deadline`.
    """
    parts = {run / ANSWERS / f"{n:05}.safetensors": one for n, one in enumerate(torch.split(faces.pixels, PART))}
    missing = {path: pixels for path, pixels in parts.items() if not path.is_file()}
    fabric.barrier()  # until all have looked, lest one writes a part before another looks
    for path, pixels in track(missing.items(), "asking teachers", disable=not (missing and fabric.is_global_zero)):
        answers = _asked(fabric, pixels, teachers)
        if fabric.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as partial:
                save_file({"answers": answers}, partial)
        if time_is_up(fabric, together=True):
            raise Paused(
                f"{path.parent}: {sum(one.is_file() for one in parts)} of {len(parts)} parts of the teachers' answers"
            )
    fabric.barrier()
    answers = torch.cat([_read_answers(path) for path in parts])
    return replace(faces, votes=torch.lerp(faces.votes, answers.to(faces.votes), share))


def _asked(fabric: Fabric, pixels: Tensor, teachers: Sequence[nn.Module]) -> Tensor:
    answers = []
    for few in torch.split(pixels, BATCH):
        maps = as_maps(few).to(fabric.device).float().contiguous(memory_format=torch.channels_last)
        answers.append(teacher_logits(fabric, teachers, maps).softmax(1).cpu())
    return torch.cat(answers)


def _read_answers(path: Path) -> Tensor:
    try:
        return load_file(path)["answers"]
    except (OSError, SafetensorError, KeyError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); remove it, it is made again") from error
