"""Facial expressions of small faces, offline.

Example:
    >>> from fsrfer import Recognizer
    >>> result = Recognizer().predict("crowd.jpg")  # doctest: +SKIP
    >>> result.group.shares["happiness"]  # doctest: +SKIP
    0.6
"""

from fsrfer.errors import FsrferError
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.results import PhotoResult
from fsrfer.types import Expression, Face, Group
from fsrfer.version import __version__

__all__ = ["Expression", "Face", "FsrferError", "Group", "PhotoResult", "Recognizer", "__version__"]
