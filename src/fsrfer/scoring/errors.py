"""Errors of scoring: what people can put right, and what the scheduler does."""

from fsrfer.errors import FsrferError


class ScoringError(FsrferError):
    """A run that cannot begin or go on; what was scored is kept, and the same command goes on."""


class StoreError(ScoringError):
    """A store that does not answer, or refuses."""


class WorkerDied(Exception):  # noqa: N818 (an event for the scheduler, never a user's)
    """A worker ended, or was ended, before it answered."""
