"""Facial expressions of small faces, offline.

Example:
    >>> from fsrfer import Recognizer
    >>> result = Recognizer().predict("crowd.jpg")  # doctest: +SKIP
    >>> result.group.shares["happiness"]  # doctest: +SKIP
    0.6
"""

from fsrfer.errors import FsrferError
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.results import CropResult, PhotoResult
from fsrfer.types import Expression, Face, Group
from fsrfer.version import __version__
from fsrfer.video.recognizer import VideoRecognizer
from fsrfer.video.results import FrameResult, TrackedFace

__all__ = [
    "CropResult",
    "Expression",
    "Face",
    "FrameResult",
    "FsrferError",
    "Group",
    "PhotoResult",
    "Recognizer",
    "TrackedFace",
    "VideoRecognizer",
    "__version__",
]
