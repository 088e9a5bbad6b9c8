"""What teachers answer: one answer of all of them, to a face and its mirror image, closed to gradients."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from fsrfer.training.faces import Faces, as_maps

BATCH = 256


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


def blended_labels(fabric: Fabric, faces: Faces, teachers: Sequence[nn.Module], share: float) -> Faces:
    """The same faces, with a share of every label distribution from the teachers' answer to the face as it is.

    Ten voters leave a face's true label distribution uncertain; networks that have seen all other faces are a second opinion
    ("Label Refinery", Bagherinezhad et al., 2018, arXiv:1805.02641).

    Args:
        fabric: where to compute.
        faces: whose votes are mixed; their labels stay.
        teachers: frozen, at the faces' size and colour.
        share: weight of the answer beside the votes', 0..1.
    """
    answers = []
    for pixels in torch.split(faces.pixels, BATCH):
        maps = as_maps(pixels).to(fabric.device).float().contiguous(memory_format=torch.channels_last)
        answers.append(teacher_logits(fabric, teachers, maps).softmax(1).cpu())
    return replace(faces, votes=torch.lerp(faces.votes, torch.cat(answers).to(faces.votes), share))
