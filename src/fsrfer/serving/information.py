"""What the service tells of itself."""

from dataclasses import dataclass
from typing import Literal

from fsrfer.serving.service import Service
from fsrfer.serving.uploads import FORMATS
from fsrfer.version import __version__


@dataclass(frozen=True)
class Health:
    """How the service is."""

    status: Literal["ok", "ready"]


@dataclass(frozen=True)
class ModelFacts:
    """The recogniser: its name and version, the seal of its file, its labels, and from what probability on it is certain."""

    name: str
    version: str
    sha256: str
    labels: list[str]
    certain_from: float
    certain_px: float


@dataclass(frozen=True)
class Limits:
    """What a request may hold, and how long its body and the work on it may take; ``video_seconds`` are of the video itself."""

    upload_bytes: int
    pixels: int
    pictures: int
    video_bytes: int
    video_seconds: float
    upload_seconds: float
    seconds: float
    formats: list[str]


@dataclass(frozen=True)
class ServiceInfo:
    """The service.

    Attributes:
        version: of fsrfer.
        model: of the recogniser.
        detector: its name.
        device: that faces are recognised on, such as ``cpu``.
        min_face: smallest height of a face that is counted, in pixels.
        aggregate_only: whether nothing of single faces is told to anyone.
        min_group: smallest group that is told of where nothing of single faces is.
        limits: of a request.
    """

    version: str
    model: ModelFacts
    detector: str
    device: str
    min_face: float
    aggregate_only: bool
    min_group: int
    limits: Limits


def information(service: Service) -> ServiceInfo:
    """What a service tells of itself; no paths of files."""
    settings, model = service.settings, service.recognizer.model
    info = model.info
    return ServiceInfo(
        version=__version__,
        model=ModelFacts(info.name, info.version, model.sha256, list(info.labels), info.certain_from, info.certain_px),
        detector=str(settings.detector).replace("\\", "/").rpartition("/")[2],
        device=service.recognizer.device,
        min_face=settings.min_face,
        aggregate_only=settings.aggregate_only,
        min_group=settings.min_group,
        limits=Limits(
            settings.max_upload,
            settings.max_pixels,
            settings.max_pictures,
            settings.max_video,
            settings.longest_video,
            settings.upload_seconds,
            settings.seconds,
            list(FORMATS),
        ),
    )
