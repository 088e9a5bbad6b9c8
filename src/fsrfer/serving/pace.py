"""How quickly pictures are answered, all stages together, and so how long who comes now has to wait."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_SECONDS = 0.25
"""What a picture is thought to take before any was answered."""

WEIGHT_OF_NEWEST = 0.1
"""Of the last picture, in the mean of what they take."""


class Pace:
    """The mean time between two answers while pictures wait for each other.

    Attributes:
        pictures: under way.
    """

    def __init__(self, at_once: int):
        """So many pictures are looked at at once."""
        self._at_once, self._seconds = at_once, FIRST_SECONDS
        self.pictures = 0

    @contextmanager
    def picture(self) -> Iterator[None]:
        """Within the block a picture waits and is looked at; one that took its time behind others tells what each takes."""
        self.pictures += 1
        ahead, began = max(self.pictures, self._at_once), time.monotonic()
        whole = False
        try:
            yield
            whole = True
        finally:
            self.pictures -= 1
            each = (time.monotonic() - began) / ahead
            if whole or each > self._seconds:  # one that was given up would have taken longer
                self._seconds += WEIGHT_OF_NEWEST * (each - self._seconds)

    def wait(self, requests: int) -> float:
        """Seconds that who comes after so many requests has to wait."""
        return max(requests, self.pictures) * self._seconds
