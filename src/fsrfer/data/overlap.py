"""Whether two sets of faces share pictures."""

from collections.abc import Callable, Iterable

from fsrfer.data.dataset import FaceDataset


def overlap(
    first: FaceDataset, second: FaceDataset, track: Callable[[Iterable[int]], Iterable[int]] = iter
) -> list[tuple[int, int]]:
    """Pairs of indices, into ``first`` and ``second``, of faces with exactly the same pixels.

    Decoded pixels are compared, so that a picture is found again in another lossless format (FER2013's CSV and FER+'s PNG).

    Args:
        first: such as the training faces.
        second: such as the test faces.
        track: wraps each sequence of indices, to show progress.

    Raises:
        DataError: a picture cannot be decoded.
    """
    places: dict[bytes, list[int]] = {}
    for index in track(range(len(first))):
        places.setdefault(first.digest(index), []).append(index)
    return [(index, other) for other in track(range(len(second))) for index in places.get(second.digest(other), ())]
