"""One page on a folder of photos: all their faces as one group, and photo by photo."""

from collections.abc import Sequence
from pathlib import Path

from fsrfer.group.estimate import LEAST_PEOPLE, Tally, estimate
from fsrfer.output.charts import Point
from fsrfer.output.page import FaceLine, Report, Timeline, counts_of
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.results import PhotoResult
from fsrfer.types import Face
from fsrfer.version import __version__


class PhotosReport:
    """Takes results one by one, in constant memory, and gives the page."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._timeline = Timeline()
        self._faces: list[FaceLine] = []
        self._photos = self._failed = self._empty = 0

    def add(self, result: PhotoResult) -> None:
        """Take one photo."""
        self._photos += 1
        if result.error is not None:
            self._failed += 1
            return
        self._empty += not result.faces
        self._tally.merge(result.tally())
        if self._tally.faces < LEAST_PEOPLE:
            self._faces += [_line(result.source, number, face) for number, face in enumerate(result.faces)]
        shares = dict(result.estimate().shares)
        self._timeline.add(Point(self._photos - 0.5, self._photos + 0.5, len(result.faces), shares))

    def page(self, title: str, recognizer: Recognizer) -> Report:
        """The page on all photos so far.

        Args:
            title: what the photos are.
            recognizer: that looked at them.
        """
        group = estimate(self._tally, recognizer.info)
        warnings = [f"{self._failed} of {self._photos} photos could not be looked at."] if self._failed else []
        if self._empty:
            warnings.append(f"In {self._empty} of {self._photos} photos no face was found.")
        return Report(
            title=title,
            subtitle=f"{self._photos:,} {'photo' if self._photos == 1 else 'photos'}",
            group=group,
            cards=[("faces found", f"{group.faces:,}"), *counts_of(group)],
            points=self._timeline.points,
            axis="photo",
            clock=False,
            sizes=self._tally.by_size,
            warnings=warnings,
            facts=[("model", f"SHA-256 {recognizer.sha256}"), ("fsrfer", __version__)],
            faces=self._faces if self._tally.faces < LEAST_PEOPLE else (),
        )


def _line(source: str, number: int, face: Face) -> FaceLine:
    remark = "too small" if face.too_small else "" if face.certain else "uncertain"
    return FaceLine(f"{Path(source).name}, face {number}", face.expression, face.probability, remark)


def sources_name(sources: Sequence[str]) -> str:
    """What to call the photos: the folder or file named, or how many sources there were."""
    return Path(sources[0]).resolve().name if len(sources) == 1 else f"{len(sources)} sources"
