"""Models in repositories of the Hugging Face hub: the one place that speaks to a network, and only by an explicit word.

``huggingface_hub`` is imported here alone, inside the functions: it reads its environment variables at import.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fsrfer import telemetry
from fsrfer.artefacts.writing import Artefact
from fsrfer.errors import ModelError
from fsrfer.model_folder import CONFIG_FILE, MODEL_FILE, RUN_FILES
from fsrfer.version import __version__

SCHEME = "hf://"
"""What the address of a repository begins with; nothing without it is ever asked for at a hub."""

OWNER_AND_NAME = re.compile(r"[\w.-]+/[\w.-]+")

_ADDRESS = re.compile(rf"{SCHEME}({OWNER_AND_NAME.pattern})(?:@([\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Address:
    """A repository, and which state of it.

    Attributes:
        repository: ``owner/name``.
        revision: a branch, a tag or a commit; None for the newest.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def of(cls, text: str) -> "Address":
        """The repository that ``hf://owner/name`` or ``hf://owner/name@revision`` names.

        Raises:
            ModelError: it is no such address.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ModelError(
                f"{text}: not an address of a repository; write hf://owner/name or hf://owner/name@revision"
            )
        return cls(*found.groups())

    def __str__(self) -> str:
        return SCHEME + self.repository + (f"@{self.revision}" if self.revision else "")


def fetch(address: Address) -> tuple[Path, Address]:
    """Fetch model file and configuration of a repository into the hub's own cache; what is there is not fetched again.

    Returns:
        The folder, whose files nothing has checked yet, and the address with the full hash of the commit that was fetched.

    Raises:
        ModelError: there is no such repository or revision, it holds no model of ours, or the hub cannot be reached.
    """
    telemetry.switch_off()
    from huggingface_hub import hf_hub_download

    def fetched(name: str, revision: str | None) -> Path:
        client = {"library_name": "fsrfer", "library_version": __version__}
        return Path(str(hf_hub_download(address.repository, name, revision=revision, **client)))  # type: ignore[call-overload]

    with _told(address):
        config = fetched(CONFIG_FILE, address.revision)
        commit = config.parent.name
        # By the commit, or a push between the two requests would give files of two states.
        fetched(MODEL_FILE, commit)
    if not _COMMIT.fullmatch(commit):
        raise ModelError(f"{address}: the hub names no commit, but {commit!r}; it is no hub that fsrfer knows")
    return config.parent, Address(address.repository, commit)


def push(artefact: Artefact, address: Address, public: bool) -> Address:
    """Commit a model to a repository, which is made if need be.

    Args:
        artefact: what to push; of other files in the repository only weights of a former model are removed.
        address: of the repository; its revision is the branch.
        public: whether all the world may read it. One that is public already is not pushed to without this.

    Returns:
        The address with the full hash of the commit.

    Raises:
        ModelError: the hub refuses it or cannot be reached, or the repository is public and that was not asked for.
    """
    telemetry.switch_off()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    hub = HfApi(library_name="fsrfer", library_version=__version__)
    with _told(address):
        if hub.repo_exists(address.repository):
            found = hub.model_info(address.repository)
            if not found.private and not public:
                raise ModelError(f"{address}: this repository is public; add --public to push there all the same")
            there = {file.rfilename for file in found.siblings or ()}
        else:
            hub.create_repo(address.repository, private=not public)
            there = set()
        commit = hub.create_commit(
            address.repository,
            [
                *(CommitOperationAdd(name, content) for name, content in artefact.files.items()),
                *(CommitOperationDelete(name) for name in sorted(there & {*RUN_FILES} - {*artefact.files})),
            ],
            commit_message=f"{artefact.info.name}, seal {artefact.seal[:12]}",
            revision=address.revision,
        )
    return Address(address.repository, commit.oid)


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """Turns what the hub's package raises into one line; where the hub is away, that is what its HTTP client raises."""
    import httpx2
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise ModelError(f"{address}: its owner lets in only who asked; ask on its page, then log in") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{address}: no such repository, or it is not yours to see; log in by `hf auth login`, or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{address}: the repository has no such branch, tag or commit; leave out @revision") from error
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{address}: the hub cannot be reached, and it was not fetched before; try again online"
        ) from error
    except EntryNotFoundError as error:
        raise ModelError(f"{address}: holds no model of fsrfer ({MODEL_FILE} and {CONFIG_FILE})") from error
    except HFValidationError as error:
        raise ModelError(f"{address}: the hub has no such names ({_first_line(error)})") from error
    except HfHubHTTPError as error:
        raise ModelError(f"{address}: the hub refused it ({_first_line(error)}); see its page, or try again") from error
    except (OSError, httpx2.HTTPError) as error:
        raise ModelError(f"{address}: the hub cannot be reached ({_first_line(error)}); try again online") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
