"""One place for the newest item between a thread that cannot wait and one that may be late."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
H = TypeVar("H")


class Newest(Generic[T, H]):
    """Holds one item, overwritten by the next; what happened is never overwritten, and keeps its place between items.

    Example:
        >>> newest = Newest()
        >>> for item in "abc":
        ...     newest.put(item, wanted=item != "b")
        >>> newest.tell("lost")
        >>> newest.take(0), newest.take(0), newest.take(0)
        (('c', 1), 'lost', None)
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._wanted = 0
        self._before: deque[tuple[T, int] | H] = deque()
        self._error: BaseException | None = None

    def put(self, item: T, wanted: bool = True) -> None:
        """Overwrite the last item; one that is not wanted itself is taken only in the place of one that was."""
        with self._changed:
            self._item = item
            self._wanted += wanted
            self._changed.notify_all()

    def tell(self, happening: H) -> None:
        """What happened after the last item."""
        with self._changed:
            if self._item is not None and self._wanted:
                self._before.append((self._item, self._wanted - 1))
            self._item, self._wanted = None, 0
            self._before.append(happening)
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Raise an error where items are taken, now and ever after."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def take(self, timeout: float) -> tuple[T, int] | H | None:
        """What comes next: a wanted item and how many wanted ones it stands for besides, what happened, or None in time.

        Args:
            timeout: seconds to wait.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._before or self._wanted or self._error, timeout)
            if self._before:
                return self._before.popleft()
            if self._error is not None:
                raise self._error
            if not self._wanted or self._item is None:
                return None
            taken = self._item, self._wanted - 1
            self._item, self._wanted = None, 0
            return taken
