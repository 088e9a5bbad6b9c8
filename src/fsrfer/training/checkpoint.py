"""Checkpoints without pickle: every tensor of the run in one safetensors file, everything else as JSON in its header."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fsrfer.errors import TrainingError
from fsrfer.files import atomic_path

Stateful = nn.Module | torch.optim.Optimizer
"""What has a state to keep: networks, averages of them, optimisers."""

State = Mapping[str, Any]
"""Nested dictionaries and lists of tensors and plain values, as ``state_dict()`` methods give."""


def state_of(parts: Mapping[str, Stateful]) -> State:
    """The state of everything that a training changes, by name."""
    return {name: part.state_dict() for name, part in parts.items()}


def restore(parts: Mapping[str, Stateful], state: State) -> None:
    """Put a saved state back, an optimiser's moments in their parameters' own memory layout, which fused kernels rely on."""
    for name, part in parts.items():
        part.load_state_dict(state[name])
        if isinstance(part, torch.optim.Optimizer):
            for parameter, moments in part.state.items():
                for key, value in moments.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        moments[key] = torch.empty_like(parameter).copy_(value)


_NAME = re.compile(r"step-(\d+)\.safetensors")


def save(folder: Path, step: int, state: State, keep: int = 2) -> Path:
    """Write the state after ``step`` steps atomically, and drop all but the newest ``keep`` checkpoints."""
    tensors: dict[str, Tensor] = {}
    outline = _outline(state, "", tensors)
    target = folder / f"step-{step:08d}.safetensors"
    with atomic_path(target) as path:
        save_file(tensors, path, metadata={"step": str(step), "outline": json.dumps(outline)})
    for old in _all(folder)[:-keep]:
        old.unlink()
    return target


def newest(folder: Path) -> Path | None:
    """The newest checkpoint in a folder, or None."""
    found = _all(folder)
    return found[-1] if found else None


def load(path: Path) -> tuple[int, dict[str, Any]]:
    """Step and state of a checkpoint.

    Raises:
        TrainingError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        return int(metadata["step"]), _rebuilt(json.loads(metadata["outline"]), tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{path}: not a checkpoint of fsrfer ({error}); remove it to resume from the one before"
        ) from error


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*.safetensors") if _NAME.fullmatch(path.name))


def _outline(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    """The state with each tensor replaced by its name; tensors are collected aside."""
    if isinstance(value, Tensor):
        tensors[where] = value.detach().cpu().contiguous().clone()
        return {"tensor": where}
    if isinstance(value, Mapping):
        items = [[key, _outline(item, f"{where}/{key}", tensors)] for key, item in value.items()]
        return {"items": items}
    if isinstance(value, list | tuple):
        return {"list": [_outline(item, f"{where}/{index}", tensors) for index, item in enumerate(value)]}
    return {"value": value}


def _rebuilt(outline: Any, tensors: Mapping[str, Tensor]) -> Any:
    if "tensor" in outline:
        return tensors[outline["tensor"]]
    if "items" in outline:
        return {key: _rebuilt(item, tensors) for key, item in outline["items"]}
    if "list" in outline:
        return [_rebuilt(item, tensors) for item in outline["list"]]
    return outline["value"]
