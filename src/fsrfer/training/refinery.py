"""Labels mixed with what a finished network answers, as Bagherinezhad et al., "Label Refinery" (2018, arXiv:1805.02641).

Ten voters leave a face's true label distribution uncertain; a network that has seen all other faces is a second opinion, and
one that a small face can learn from as well as a sharp one.
"""

from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor

from fsrfer.networks.ensemble import ExpressionNetwork
from fsrfer.training.faces import Faces, as_maps

BATCH = 256


def refined(fabric: Fabric, faces: Faces, network: ExpressionNetwork, share: float) -> Faces:
    """The same faces, with a share of every label distribution from the network's answer to the face as it is.

    Args:
        fabric: where to compute.
        faces: whose votes are mixed; their labels stay.
        network: that answers, at the faces' size and colour.
        share: above 0, up to 1, the weight of the answer beside the votes'.
    """
    fabric.to_device(network.eval())
    answers = torch.cat([_answers(fabric, network, part) for part in torch.split(faces.pixels, BATCH)])
    return replace(faces, votes=torch.lerp(faces.votes, answers.to(faces.votes), share))


@torch.no_grad()
def _answers(fabric: Fabric, network: ExpressionNetwork, pixels: Tensor) -> Tensor:
    """Probabilities of the faces and their mirror images, on average: N x 7."""
    maps = as_maps(pixels).to(fabric.device).float()
    views = torch.cat([maps, maps.flip(-1)]).contiguous(memory_format=torch.channels_last)
    with fabric.autocast():
        logits = network(views)
    answers: Tensor = logits.float().softmax(1).unflatten(0, (2, -1)).mean(0)
    return answers.cpu()
