"""Where a model is that somebody names: in a folder, or in a repository once its address says so outright."""

from pathlib import Path

from fsrfer.artefacts.hub import OWNER_AND_NAME, SCHEME, Address, fetch
from fsrfer.errors import ModelError


def locate(source: str | Path) -> tuple[Path, str]:
    """The folder of a model, fetched if its address begins with ``hf://`` and it is not in the hub's cache.

    Returns:
        The folder, and what to remember of where it came from: the folder itself, or the repository with the full hash of the
        commit.

    Raises:
        ModelError: there is no such folder or repository. A name without ``hf://`` is never asked for at a hub.
    """
    if str(source).startswith(SCHEME):
        folder, address = fetch(Address.of(str(source)))
        return folder, str(address)
    folder = Path(source)
    if not folder.is_dir():
        instead = "name one that `fsrfer push` or `fsrfer train` wrote"
        if folder.is_file():
            instead = f"for a model file write Recognizer({str(source)!r})"
        elif OWNER_AND_NAME.fullmatch(str(source)):
            instead = f"for a repository of the hub write {SCHEME}{source}"
        raise ModelError(f"{source}: no folder there; {instead}")
    folder = folder.absolute()  # or one that is named as a bundled model is would be taken for that
    return folder, str(folder)
