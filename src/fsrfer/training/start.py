"""Networks that were trained before: finished runs, and exported models with folded norms, which are made trainable again."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from fsrfer.errors import ModelError, TrainingError
from fsrfer.model_file import STEP
from fsrfer.networks.ensemble import SizedNetwork
from fsrfer.networks.norm import BatchNorm2d
from fsrfer.networks.residual import PlacePooling, ResidualNet
from fsrfer.recipes.classifier import ClassifierRecipe
from fsrfer.training.build import joined, named_network
from fsrfer.training.run import WEIGHTS_FILE, finished_recipe, load_weights

NETWORKS = "networks"
"""The sub-folder of a run that holds a run for each of its networks."""

TYPICAL_BATCHES = 8
"""Batches of views that give the norms of an exported model their statistics."""

KERNEL_SCALE = 0.36
"""Root mean square of the weights of a kernel before a norm, as trainings of the bundled recipes leave it."""

Start = Path | tuple[str, bytes]
"""The folder of a finished run, or name and content of an exported model."""

WEIGHT = re.compile(r"(?:network\.)?(?:(first|others\.\d+)\.)?((?:stem|stages|uplift|pooling|head|effective_size)\..+)")
"""Names of weights in an exported model: within its calibration, of one of several networks or of the only one."""

Weights = dict[str, NDArray[np.float32]]


def load_members(recipe: ClassifierRecipe, start: Start, typical: Tensor) -> list[ResidualNet]:
    """The networks that answer in a finished model, by the recipe that describes them.

    Args:
        recipe: says the architectures; its ``export.members`` are returned, in their order.
        start: what was finished.
        typical: float, N x C x S x S, values 0..255: views as training draws them, for the statistics of an exported model's
            norms.

    Raises:
        ModelError: the model has other networks than the recipe.
        TrainingError: the folder holds no finished run of such a recipe.
    """
    networks = [named_network(recipe, name) for name in recipe.export.members]
    if isinstance(start, Path):
        _load_run(networks, recipe, start)
    else:
        load_exported(networks, start[1], typical, start[0])
    return networks


def load_run(folder: Path) -> tuple[ClassifierRecipe, SizedNetwork]:
    """Recipe and network of a finished run of a classifier recipe.

    Raises:
        TrainingError: the folder holds none.
    """
    recipe = finished_classifier(folder)
    network = joined([named_network(recipe, name) for name in recipe.export.members])
    load_weights(network, folder / WEIGHTS_FILE)
    return recipe, network


def finished_classifier(folder: Path) -> ClassifierRecipe:
    """The recipe of a finished run, which must be of a classifier.

    Raises:
        TrainingError: the folder holds none.
    """
    recipe = finished_recipe(folder)
    if not isinstance(recipe, ClassifierRecipe):
        raise TrainingError(
            f"{folder}: a run of {recipe.name} holds no such network; name a run of a classifier recipe"
        )
    return recipe


def _load_run(networks: Sequence[ResidualNet], recipe: ClassifierRecipe, folder: Path) -> None:
    theirs = finished_classifier(folder)
    mine = [recipe.networks[name] for name in recipe.export.members]
    others = [theirs.networks[name] for name in theirs.export.members]
    described = [[(one.architecture, one.uplift) for one in several] for several in (mine, others)]
    if recipe.input != theirs.input or described[0] != described[1]:
        raise ModelError(
            f"{folder}: its networks are not those of recipe {recipe.name}; only the same architecture fits"
        )
    load_weights(joined(networks), folder / WEIGHTS_FILE)


@torch.no_grad()
def load_exported(networks: Sequence[ResidualNet], model: bytes, faces: Tensor, name: str) -> None:
    """Fill networks with the weights of an exported model.

    Export folds each batch norm into the convolution before it. Here every norm is given the statistics of some faces, and
    the scale and shift that undo them, so that the network computes what the model does and can be trained on. In training
    a norm takes the statistics of its batch, so only faces like those of the batches leave what is computed as it was; and a
    step of descent is of a size of its own, so kernels get the scale that they have in training, which the norm undoes.

    Args:
        networks: of the architectures that were exported, in their order. A file holds the estimate of the effective size
            of the first, and of those whose generator is told it; the others keep theirs.
        model: the ONNX file.
        faces: float, N x C x S x S, values 0..255: views as training draws them.
        name: of the model, for messages.

    Raises:
        ModelError: a network or layer is missing, has another shape, or has no place.
    """
    exported = _exported_weights(model)
    if len(exported) != len(networks):
        raise ModelError(f"{name}: it holds {len(exported)} networks, where {len(networks)} are needed")
    for place, (network, weights) in enumerate(zip(networks, exported.values(), strict=True)):
        sized = place == 0 or any(key.startswith("effective_size.") for key in weights)
        _fill_network(network, weights, faces, name, sized=sized)


def _exported_weights(model: bytes) -> dict[str, Weights]:
    """The weights of each network, in the order of their names (``first``, then ``others``)."""
    graph = onnx.load_from_string(model).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    members: defaultdict[str, Weights] = defaultdict(dict)
    for key, array in arrays.items():
        if (found := WEIGHT.fullmatch(key)) and not key.endswith(STEP):
            member, name = found.groups()
            members[member or ""][name] = (
                array * arrays[key + STEP].reshape(-1, 1, 1, 1) if key + STEP in arrays else array
            )
    return dict(sorted(members.items()))


def _fill_network(network: ResidualNet, weights: Weights, faces: Tensor, name: str, *, sized: bool) -> None:
    layers = {
        key: module
        for key, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | PlacePooling) and (sized or not key.startswith("effective_size."))
    }
    for key, module in layers.items():
        _fill(module.weight, weights, f"{key}.weight", name)
        if not isinstance(module, PlacePooling) and module.bias is not None:
            _fill(module.bias, weights, f"{key}.bias", name)
    if surplus := [key for key in weights if key.endswith(".weight") and key.removesuffix(".weight") not in layers]:
        raise ModelError(f"{name}: {surplus[0]} has no place in the network; only the same architecture fits")
    _unfold_norms(network, weights, faces, name)


def _fill(parameter: Tensor, weights: Weights, key: str, name: str) -> None:
    value = weights.get(key)
    if value is None or value.shape != tuple(parameter.shape):
        found = "nothing" if value is None else f"{value.shape}"
        raise ModelError(
            f"{name}: {found} where {key} {tuple(parameter.shape)} was expected; only the same architecture fits"
        )
    parameter.copy_(torch.from_numpy(value.copy()))


def _unfold_norms(network: ResidualNet, weights: Weights, faces: Tensor, name: str) -> None:
    handles = []
    convolution, kernel = "", torch.empty(0)
    for key, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            convolution, kernel = key, module.weight
        elif isinstance(module, BatchNorm2d):
            shift = weights.get(f"{convolution}.weight_bias")
            if shift is None or shift.shape != (module.num_features,):
                raise ModelError(f"{name}: no folded norm after {convolution}; only the same architecture fits")
            scale = KERNEL_SCALE / kernel.square().mean().sqrt().clamp(min=1e-6)  # a norm of 0 leaves a kernel of 0
            kernel.mul_(scale)
            handles.append(module.register_forward_pre_hook(_undoing(torch.from_numpy(shift.copy()), scale)))
    network.eval()(faces)
    for handle in handles:
        handle.remove()


def _undoing(shift: Tensor, scale: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def calibrate(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt() / scale)
        norm.bias.copy_(shift + mean / scale)

    return calibrate
