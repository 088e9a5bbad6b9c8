"""A model as a folder, as it is passed on: the sealed model file, its weights where they are at hand, and what lists them.

Any folder with a `MODEL_FILE` is one, such as a run of ``fsrfer train``. Where a `CONFIG_FILE` of ours lies beside, it lists
the other files with their SHA-256, so that files of two models that were mixed are found out.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsrfer.errors import ModelError
from fsrfer.model_file import ModelInfo, verify_seal

MODEL_FILE, CONFIG_FILE, CARD_FILE = "model.onnx", "config.json", "README.md"

RUN_FILES = ("model.safetensors", "recipe.toml")
"""What a folder of a run holds to be trained on: weights, and the recipe that says of which networks."""

FORMAT = 1
"""Of `CONFIG_FILE`; a later one may list files by other means."""


def config_text(info: ModelInfo, seal: str, files: Mapping[str, bytes]) -> str:
    """The text of `CONFIG_FILE`.

    Args:
        info: of the model.
        seal: of the model file.
        files: name and content of every file to be listed.
    """
    values = {
        "library": "fsrfer",
        "format": FORMAT,
        "seal": seal,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "model": asdict(info),
    }
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def is_listed(folder: Path) -> bool:
    """Whether a folder was written to be passed on: it has a `CONFIG_FILE` of ours."""
    try:
        return _listed(folder) is not None
    except ModelError:
        return True


def read_folder(folder: Path) -> bytes:
    """The model file in a folder.

    Raises:
        ModelError: there is none, it is damaged, or it is not the one that `CONFIG_FILE` lists.
    """
    path = folder / MODEL_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder}: no model there ({MODEL_FILE}: {error.strerror or error}); name a folder that `fsrfer push` or "
            "`fsrfer train` wrote"
        ) from error
    verify_seal(data, str(path))
    require_listed(path, data)
    return data


def require_listed(path: Path, data: bytes) -> None:
    """Check a file of a folder against what is listed there, if anything is.

    Raises:
        ModelError: it is another file than the one that was listed.
    """
    listed = _listed(path.parent)
    if listed is not None and listed.get(path.name) != hashlib.sha256(data).hexdigest():
        raise ModelError(f"{path}: not the file that {CONFIG_FILE} beside it lists; fetch the whole folder again")


def _listed(folder: Path) -> dict[str, Any] | None:
    """Files of a folder and their SHA-256, or None where there is no `CONFIG_FILE` of ours."""
    path = folder / CONFIG_FILE
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); fetch the whole folder again") from error
    if not isinstance(values, dict) or values.get("library") != "fsrfer":
        return None
    if values.get("format") != FORMAT or not isinstance(values.get("files"), dict):
        raise ModelError(f"{path}: made by another version of fsrfer; update fsrfer, or fetch the folder again")
    return dict(values["files"])
