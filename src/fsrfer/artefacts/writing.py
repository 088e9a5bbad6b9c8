"""Writing a model as a folder that others can use."""

from dataclasses import dataclass
from pathlib import Path

from fsrfer.artefacts.card import card_text
from fsrfer.errors import InputError
from fsrfer.files import atomic_path, locked
from fsrfer.model_file import ModelInfo
from fsrfer.model_folder import CARD_FILE, CONFIG_FILE, MODEL_FILE, RUN_FILES, config_text, is_listed, require_listed
from fsrfer.recognition.model import ExpressionModel, read_model


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model and all that is passed on with it.

    Attributes:
        info: what its file says of itself.
        seal: of its file.
        files: name and content of each, in the order in which they are to be written.
    """

    info: ModelInfo
    seal: str
    files: dict[str, bytes]


def gather(model: str, license_id: str | None = None) -> Artefact:
    """A model with its card and what lists its files.

    Args:
        model: a bundled model's name, a model file, or the folder of a run or of a model that was written before; the last
            two may hold weights to train on.
        license_id: of the weights, as the hub names it, such as ``cc-by-nc-4.0``; None states none.

    Raises:
        ModelError: there is no such model, or its files are damaged.
    """
    data, _ = read_model(model)
    opened = ExpressionModel(model, threads=1)
    files = {MODEL_FILE: data, **_run_files(Path(model))}
    card = card_text(opened.info, opened.sha256, {name: len(content) for name, content in files.items()}, license_id)
    config = config_text(opened.info, opened.sha256, files)
    return Artefact(opened.info, opened.sha256, {**files, CARD_FILE: card.encode(), CONFIG_FILE: config.encode()})


def _run_files(folder: Path) -> dict[str, bytes]:
    """Weights and recipe, where a folder has both."""
    paths = [folder / name for name in RUN_FILES]
    if not folder.is_dir() or not all(path.is_file() for path in paths):
        return {}
    files = {path.name: path.read_bytes() for path in paths}
    for path in paths:
        require_listed(path, files[path.name])
    return files


def write_folder(artefact: Artefact, folder: Path) -> None:
    """Write a model into a folder, which is then whole: what lists the files comes last.

    Raises:
        InputError: something else is in the folder, or it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not is_listed(folder):
        raise InputError(f"{folder}: holds other things; name a new folder, or one that `fsrfer push` wrote")
    with locked(folder):
        # Until all is written nothing is listed, so that a run that was stopped leaves no list of files of two models.
        (folder / CONFIG_FILE).unlink(missing_ok=True)
        for name in set(RUN_FILES) - set(artefact.files):
            (folder / name).unlink(missing_ok=True)
        for name, content in artefact.files.items():
            with atomic_path(folder / name) as path:
                path.write_bytes(content)
