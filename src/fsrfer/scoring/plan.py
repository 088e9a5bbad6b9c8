"""What a run is asked for, and what a worker must know of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from fsrfer.group.withholding import MIN_GROUP
from fsrfer.images import MAX_PIXELS
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.detection import PRESETS
from fsrfer.recognition.devices import CPU
from fsrfer.scoring.errors import ScoringError
from fsrfer.version import __version__

ISOLATED_FROM = 2
"""Deaths of workers over a chunk, after which its photos are looked at in processes of their own."""

MOST_ATTEMPTS = 6
"""At a chunk in one run; then the run ends, to be begun again."""

SECONDS_A_PHOTO = 300.0
"""After which a photo in a process of its own is given up."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What results depend on.

    Attributes:
        model, detector: a name or file each, as for `fsrfer.Recognizer`.
        device: that the networks run on.
        min_face: faces lower than this, in pixels, are never certain nor counted.
        max_pixels: larger pictures become errors.
        aggregate_only: whether groups are written, and nothing of single faces or photos.
        by: the column whose values are the groups, ``folder``, or None for one group of all; only with ``aggregate_only``.
        min_group: nothing is told of fewer people; only with ``aggregate_only``.
        path_column: of a manifest.
    """

    model: str = "default"
    detector: str = "default"
    device: str = CPU
    min_face: float = MIN_FACE
    max_pixels: int = MAX_PIXELS
    aggregate_only: bool = False
    by: str | None = None
    min_group: int = MIN_GROUP
    path_column: str = "path"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker is told.

    Attributes:
        output: where the run writes.
        key: stands in the names of all parts; made of all that results depend on.
        settings: what results depend on.
        model_sha256: seal of the model, which a worker must find too.
        detector_sha256: hash of the detector's file; None for one of ours.
        golden: what the model must answer to made crops.
        folder: of this machine, that the photos lie in and every worker must see; None where there is none.
        threads: of each network.
        fsrfer: the version that all must have.
    """

    output: str
    key: str
    settings: Settings
    model_sha256: str
    detector_sha256: str | None
    golden: tuple[tuple[float, ...], ...]
    folder: str | None = None
    threads: int = 1
    fsrfer: str = __version__

    def to_json(self) -> str:
        """The plan as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The reverse of `to_json`.

        Raises:
            ScoringError: another version made it.
        """
        values = json.loads(text)
        if values.get("fsrfer") != __version__ or set(values) != {one.name for one in fields(cls)}:
            raise ScoringError(f"the run was begun by fsrfer {values.get('fsrfer')}, a worker has {__version__}")
        return cls(**{**values, "settings": Settings(**values["settings"])})


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk to be scored.

    Attributes:
        chunk, file, row_group, photos: as in `fsrfer.scoring.listing.Chunk`.
        attempt: 1 for the first.
    """

    chunk: int
    file: int
    row_group: int
    photos: int
    attempt: int = 1

    @property
    def isolated(self) -> bool:
        """Whether each photo gets a process of its own."""
        return self.attempt > ISOLATED_FROM

    @property
    def patience(self) -> float:
        """Seconds after which its worker is taken for stuck: none takes so long, but a hanging one would for ever."""
        return 900.0 + (SECONDS_A_PHOTO if self.isolated else 30.0) * self.photos


def key_of(asked: Mapping[str, Any], listing_sha256: str) -> str:
    """Twelve digits that stand for a model, options and a list of photos."""
    text = json.dumps([asked, listing_sha256], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def hash_of_detector(detector: str) -> str | None:
    """The SHA-256 of a detector's file; None for a preset.

    Raises:
        ScoringError: there is no such file.
    """
    if detector in PRESETS:
        return None
    try:
        return hashlib.sha256(Path(detector).read_bytes()).hexdigest()
    except OSError as error:
        raise ScoringError(f"{detector}: no detector there ({error.strerror})") from error
