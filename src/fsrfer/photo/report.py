"""One page on a folder of photos: all their faces as one group, and photo by photo."""

from collections.abc import Sequence
from pathlib import Path

from fsrfer.errors import InputError
from fsrfer.group.estimate import LEAST_PEOPLE, estimate
from fsrfer.output.charts import Point
from fsrfer.output.page import FaceLine, Report, Timeline, counts_of
from fsrfer.output.viewer import Chosen, Scene, Viewer, embedded, largest_side, scene_faces
from fsrfer.photo.recognizer import Recognizer
from fsrfer.photo.results import PhotoResult, pixels_of
from fsrfer.photo.summary import PhotosTally
from fsrfer.types import Face, Share
from fsrfer.version import __version__

MOST_LISTED = 20
"""Faces, those too small included, that are listed where fewer than `LEAST_PEOPLE` are large enough."""


class PhotosReport:
    """Takes results one by one, in bounded memory, and gives the page."""

    def __init__(self, photos: int = 1, blur: bool = False) -> None:
        """Begin a page.

        Args:
            photos: how many will come; the more, the smaller each is shown.
            blur: whether no picture is shown, only where the faces are.
        """
        self._side, self._blur = largest_side(photos), blur
        self._chosen = Chosen()
        self._tally = PhotosTally()
        self._timeline = Timeline()
        self._faces: list[FaceLine] = []
        self._unread = 0

    def add(self, result: PhotoResult) -> None:
        """Take one photo."""
        self._tally.add(result)
        if result.error is not None:
            return
        counted = self._tally.faces
        if counted.counted < LEAST_PEOPLE and counted.faces <= MOST_LISTED:
            self._faces += [_line(result.source, number, face) for number, face in enumerate(result.faces)]
        shares = dict(result.estimate().shares)
        name = Path(result.source).name
        place = self._tally.photos["photos"]
        self._timeline.add(Point(place - 0.5, place + 0.5, len(result.faces), shares, name))
        if self._chosen.wants(len(result.faces)):
            self._chosen.add(self._scene(name, result, shares))

    def page(self, title: str, recognizer: Recognizer) -> Report:
        """The page on all photos so far.

        Args:
            title: what the photos are.
            recognizer: that looked at them.
        """
        group = estimate(self._tally.faces, recognizer.info)
        photos, failed, empty = self._tally.photos.values()
        warnings = [f"{failed} of {photos} photos could not be looked at."] if failed else []
        if empty:
            warnings.append(f"In {empty} of {photos} photos no face was found.")
        return Report(
            title=title,
            subtitle=f"{photos:,} {'photo' if photos == 1 else 'photos'}",
            group=group,
            cards=[("faces found", f"{group.faces:,}"), *counts_of(group)],
            points=self._timeline.points,
            axis="photo",
            clock=False,
            sizes=self._tally.faces.by_size,
            warnings=warnings,
            facts=[
                ("model", f"SHA-256 {recognizer.sha256}"),
                ("computed on", recognizer.device),
                ("fsrfer", __version__),
            ],
            viewer=self._viewer(),
            faces=self._faces if self._tally.faces.counted < LEAST_PEOPLE else (),
        )

    def _scene(self, name: str, result: PhotoResult, shares: dict[str, Share]) -> Scene:
        try:
            picture = None if self._blur else embedded(pixels_of(result), self._side)
        except InputError:  # its file is gone since: the outlines stand on plain ground
            picture, self._unread = None, self._unread + 1
        return Scene(
            name=name,
            width=result.width or 1,
            height=result.height or 1,
            faces=scene_faces(result.faces),
            picture=picture,
            shares=shares,
        )

    def _viewer(self) -> Viewer | None:
        scenes = self._chosen.scenes
        photos, failed, empty = self._tally.photos.values()
        left_out = photos - failed - empty - len(scenes)
        remarks = []
        if left_out:
            remarks.append(
                f"Shown are the {len(scenes)} photos with the most faces; the faces of {left_out:,} others are in the figures "
                "of the group only. The results that the command prints or writes (-o) hold every face."
            )
        if any(max(scene.width, scene.height) > self._side for scene in scenes) and not self._blur:
            remarks.append(
                f"Photos are shown reduced to {self._side} pixels; sizes are those of the photos themselves."
            )
        if self._unread:
            remarks.append(f"Photos that could not be read again to be shown: {self._unread}.")
        if self._blur and scenes:
            remarks.append("No picture is shown, so that nobody can be recognised.")
        return Viewer(scenes, remarks) if scenes else None


def _line(source: str, number: int, face: Face) -> FaceLine:
    remark = "too small" if face.too_small else "" if face.certain else "uncertain"
    return FaceLine(f"{Path(source).name}, face {number}", face.expression, face.probability, remark)


def sources_name(sources: Sequence[str]) -> str:
    """What to call the photos: the folder or file named, or how many sources there were."""
    return Path(sources[0]).resolve().name if len(sources) == 1 else f"{len(sources)} sources"
