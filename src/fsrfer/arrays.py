"""Arrays that users hand in as pictures: what they are and what to do with those of another kind, in the words of people."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsrfer.errors import InputError


def as_array(source: object, name: str) -> NDArray[Any]:
    """What a user takes for an array, as one of NumPy's.

    Raises:
        InputError: it is none; the message says what to do.
    """
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        raise InputError(
            f"{name}: a torch tensor; make it an array of uint8, channels last: "
            "(x * 255).byte().permute(1, 2, 0).cpu().numpy() where it holds 0..1"
        )
    if source is None or isinstance(source, bool | int | float | dict | set):
        raise InputError(f"{name}: {type(source).__name__} is no picture; give a path, bytes, a PIL image or an array")
    if isinstance(source, list | tuple):
        raise InputError(f"{name}: a {type(source).__name__} is no picture; make it an array: np.asarray(x, 'uint8')")
    try:
        return np.asarray(source)
    except Exception as error:  # an object may answer NumPy with anything
        raise InputError(f"{name}: {type(source).__name__} is no picture ({' '.join(str(error).split())})") from error


def described(array: NDArray[Any]) -> str:
    """Type and shape of an array, in the words of people."""
    kinds = {"O": "objects", "U": "text", "S": "bytes", "b": "truth values (bool)", "M": "times", "m": "times"}
    if array.ndim == 0:
        return f"a single {kinds.get(array.dtype.kind, array.dtype.name)}"
    return f"{kinds.get(array.dtype.kind, array.dtype.name)} of shape {array.shape}"


def advice(array: NDArray[Any]) -> str:
    """What to do with an array of another kind, in the words of NumPy."""
    if array.size == 0:
        return "; it is empty"
    if array.ndim == 4:
        return "; give one picture at a time: x[0]"
    steps = [_type_advice(array), _shape_advice(array)]
    return "".join(f"; {step}" for step in steps if step)


def _type_advice(array: NDArray[Any]) -> str:
    if array.dtype.kind == "f":
        is_unit = float(np.nanmax(array)) <= 1
        change = "(x * 255).astype('uint8')" if is_unit else "x.clip(0, 255).astype('uint8')"
        return f"make it whole numbers: {change}"
    if array.dtype.kind == "b":
        return "make it grey: x.astype('uint8') * 255"
    if array.dtype == np.uint16:
        return "make it 8 bits: (x // 257).astype('uint8') where it holds 0..65535"
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        return "make it 8 bits: x.clip(0, 255).astype('uint8')"
    return "make it numbers: x.astype('uint8')" if array.dtype.kind == "O" else ""


def _shape_advice(array: NDArray[Any]) -> str:
    if array.ndim != 3 or array.shape[2] == 3:
        return ""
    if array.shape[2] == 4:
        return "leave out the transparency: x[..., :3]"
    if array.shape[2] == 1:
        return "leave out the last axis: x[..., 0]"
    if array.shape[0] in (1, 3, 4):
        return f"put the channels last: x{'[:3]' if array.shape[0] == 4 else ''}.transpose(1, 2, 0)"
    return ""
