"""Starting a network from another: as it is, deeper, wider, in two factors, or from an exported model with folded norms."""

import re
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from fsrfer.errors import ModelError
from fsrfer.model_file import STEP
from fsrfer.networks.compact import CompactNet, FactoredConv, PlacePooling
from fsrfer.networks.norm import BatchNorm2d
from fsrfer.networks.uplift import UpliftBlock

CALIBRATION_FACES = 1024
CALIBRATED = "network."
"""What the names of weights begin with where `networks.calibrated.Calibrated` was exported."""

MEMBER = re.compile(r"(first|others\.\d+)\.")
"""What they begin with after that where `networks.ensemble.Ensemble` was exported."""

Weights = dict[str, NDArray[np.float32]]


@torch.no_grad()
def inherit(network: CompactNet, parent: CompactNet) -> None:
    """Copy what the parent has into the network.

    What the parent lacks keeps its start, which is the identity for residual blocks and for the generator. A wider network
    answers as the parent does (`_widen`). A factored convolution with fewer channels between takes the best approximation of
    its rank (Jaderberg et al., BMVC 2014). A smaller generator takes what it has room for (`_fit_generator`).

    Raises:
        ModelError: the parent has layers that the network lacks, or larger ones.
    """
    state, inherited = network.state_dict(), parent.state_dict()
    _fit_generator(network, parent, inherited)
    for name, module in parent.named_modules():
        if isinstance(module, FactoredConv) and not _keeps_rank(network, name, module):
            inherited[f"{name}.weight"] = product(
                inherited.pop(f"{name}.down.weight"), inherited.pop(f"{name}.across.weight")
            )
    for name, module in network.named_modules():
        if isinstance(module, FactoredConv) and f"{name}.weight" in inherited:
            kernel = inherited.pop(f"{name}.weight")
            if kernel.shape[:2] != (module.across.out_channels, module.down.in_channels):
                raise ModelError(
                    f"the parent's {name}.weight is {tuple(kernel.shape)}: a network of lower rank there cannot be wider, too"
                )
            factor_into(module, kernel)
    if surplus := [name for name in inherited if name not in state]:
        raise ModelError(f"the parent's {surplus[0]} has no place in the network: it was made by another recipe")
    for name, value in inherited.items():
        _widen(state[name], value, name)


def _widen(parameter: Tensor, value: Tensor, name: str) -> None:
    """Put a parent's value where there may be more channels; at first none of the parent's channels hears a new one.

    As the wider networks of Chen et al., "Net2Net" (ICLR 2016, arXiv:1511.05641), they compute the same; but the new channels
    keep their random start instead of repeating others, so nothing has to be disturbed for them to part.
    """
    if len(value.shape) != len(parameter.shape) or any(
        old > new for old, new in zip(value.shape, parameter.shape, strict=True)
    ):
        raise ModelError(
            f"the parent's {name} is {tuple(value.shape)}, not {tuple(parameter.shape)} or less: "
            "it was made by another recipe"
        )
    if value.ndim > 1:
        parameter[: len(value), value.shape[1] :] = 0
    parameter[tuple(slice(length) for length in value.shape)] = value


def _fit_generator(network: CompactNet, parent: CompactNet, inherited: dict[str, Tensor]) -> None:
    """Leave out the blocks beyond the network's last, and what tells the size to blocks that are not to be told.

    Such a block does to every face what the parent's did to faces of the middle size: its second norm takes over their scale
    and shift.
    """
    blocks = _generator_blocks(network)
    for index, theirs in enumerate(_generator_blocks(parent)):
        prefix = f"uplift.blocks.{index}."
        if index >= len(blocks):
            _leave_out(inherited, prefix)
        elif blocks[index].modulation is None and theirs.modulation is not None:
            scale, shift = theirs.modulation(torch.zeros(1, 1))[0].chunk(2)
            inherited[f"{prefix}norm2.weight"] = theirs.norm2.weight * (1 + scale)
            inherited[f"{prefix}norm2.bias"] = theirs.norm2.bias * (1 + scale) + shift
            _leave_out(inherited, f"{prefix}modulation.")


def _generator_blocks(network: CompactNet) -> list[UpliftBlock]:
    return [module for module in network.modules() if isinstance(module, UpliftBlock)]


def _leave_out(inherited: dict[str, Tensor], prefix: str) -> None:
    for name in [name for name in inherited if name.startswith(prefix)]:
        del inherited[name]


def _keeps_rank(network: CompactNet, name: str, module: FactoredConv) -> bool:
    other = dict(network.named_modules()).get(name)
    return isinstance(other, FactoredConv) and other.down.out_channels >= module.down.out_channels


def product(down: Tensor, across: Tensor) -> Tensor:
    """The 3x3 kernel (out x in x 3 x 3) that a 3x1 and a 1x3 kernel make one after the other."""
    return torch.einsum("rih,orw->oihw", down[..., 0], across[:, :, 0])


def factor_into(module: FactoredConv, weight: Tensor) -> None:
    """Split a kernel (out x in x 3 x 3) into the module's 3x1 and 1x3 kernels by singular values."""
    outs, ins = weight.shape[:2]
    rank = module.down.out_channels
    matrix = weight.permute(1, 2, 0, 3).reshape(ins * 3, outs * 3)
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    share = values[:rank].sqrt()
    down = (left[:, :rank] * share).T.reshape(rank, ins, 3, 1)
    across = (share[:, None] * right[:rank]).reshape(rank, outs, 3).permute(1, 0, 2)[:, :, None]
    module.down.weight.copy_(down)
    module.across.weight.copy_(across)


@torch.no_grad()
def load_exported(network: CompactNet, model: bytes, faces: Tensor, name: str) -> None:
    """Fill a network with the weights of its exported model, or of the member of an exported ensemble that it describes.

    Export folds each batch norm into the convolution before it. Here every norm is given the statistics of some faces, and
    the scale and shift that undo them, so that the network computes what the model does and can be trained on.

    Args:
        network: of the architecture that was exported. Of an ensemble, only the first member tells the effective size.
        model: the ONNX file.
        faces: float, N x C x S x S, values 0..255: typical ones.
        name: of the model, for messages.

    Raises:
        ModelError: a layer is missing, has another shape, or has no place in the network.
    """
    failure: ModelError | None = None
    for weights in _exported_weights(model).values():
        try:
            return _fill_network(network, weights, faces, name)
        except ModelError as error:
            failure = failure or error
    raise failure or ModelError(f"{name}: it has no weights")


def _exported_weights(model: bytes) -> dict[str, Weights]:
    """The weights of each member of an ensemble by its name, or of the one network."""
    graph = onnx.load_from_string(model).graph
    arrays = {item.name.removeprefix(CALIBRATED): numpy_helper.to_array(item) for item in graph.initializer}
    members: defaultdict[str, Weights] = defaultdict(dict)
    for key, array in arrays.items():
        if key.endswith(STEP):
            continue
        found = MEMBER.match(key)
        member = found.group() if found else ""
        members[member][key.removeprefix(member)] = array * arrays[key + STEP] if key + STEP in arrays else array
    return members


def _fill_network(network: CompactNet, weights: Weights, faces: Tensor, name: str) -> None:
    layers = {
        key: module
        for key, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | PlacePooling)
    }
    for key, module in layers.items():
        _fill(module.weight, weights, f"{key}.weight", name)
        if not isinstance(module, PlacePooling) and module.bias is not None:
            _fill(module.bias, weights, f"{key}.bias", name)
    if surplus := [key for key in weights if key.endswith(".weight") and key.removesuffix(".weight") not in layers]:
        raise ModelError(f"{name}: {surplus[0]} has no place in the network; it has another recipe")
    _unfold_norms(network, weights, faces, name)


def _fill(parameter: Tensor, weights: Weights, key: str, name: str) -> None:
    value = weights.get(key)
    if value is None or value.shape != tuple(parameter.shape):
        found = "nothing" if value is None else f"{value.shape}"
        raise ModelError(f"{name}: {found} where {key} {tuple(parameter.shape)} was expected; it has another recipe")
    parameter.copy_(torch.from_numpy(value.copy()))


def _unfold_norms(network: CompactNet, weights: Weights, faces: Tensor, name: str) -> None:
    handles = []
    convolution = ""
    for key, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            convolution = key
        elif isinstance(module, BatchNorm2d):
            shift = weights.get(f"{convolution}.weight_bias")
            if shift is None or shift.shape != (module.num_features,):
                raise ModelError(f"{name}: no folded norm after {convolution}; it has another recipe")
            handles.append(module.register_forward_pre_hook(_undoing(torch.from_numpy(shift.copy()))))
    network.eval()(faces)
    for handle in handles:
        handle.remove()


def _undoing(shift: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def calibrate(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(shift + mean)

    return calibrate
