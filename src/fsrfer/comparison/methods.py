"""From trained networks to methods that can be measured, with their cost and an identity that follows their weights."""

import hashlib
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from fsrfer.comparison.measure import Method
from fsrfer.networks.cost import count_gflop
from fsrfer.recipes.sections import InputSettings
from fsrfer.training.predictors import Logits, TorchPredictor


class MethodMaker:
    """Turns logits into a `Method`, with its cost and an identity that follows its weights."""

    def __init__(self, faces: InputSettings, device: torch.device) -> None:
        self.input, self.device = faces, device

    def __call__(self, name: str, title: str, logits: Logits, parts: Sequence[nn.Module]) -> Method:
        """A method from what gives its logits and the networks that these run through."""
        for part in parts:
            part.cpu()
        cost = count_gflop(logits, parts, self.input.channels, self.input.size)
        identity = _identity(parts)
        for part in parts:
            part.to(self.device)
        predict = TorchPredictor(logits, self.input.size, self.input.colour, self.device)
        return Method(name, title, predict, gflop=cost, identity=identity)


def _identity(parts: Iterable[nn.Module]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for name, value in part.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
