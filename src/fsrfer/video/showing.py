"""The frames that a video's page shows: the busiest of a few time windows."""

from fsrfer.output.charts import clock
from fsrfer.output.viewer import Chosen, Scene, Viewer, embedded, largest_side, scene_faces
from fsrfer.video.results import FrameResult, TrackedFace

MOST_FRAMES = 12
"""On a page, at most one of each time window."""


class ShownFrames:
    """Takes frames one by one and keeps few, in bounded memory."""

    def __init__(self, window: float, blur: bool = False, since: float = 0.0) -> None:
        """Begin with no frame.

        Args:
            window: length of a time window in seconds.
            blur: whether no picture is shown, only where the faces are.
            since: where in the clip the run begins, if it resumes another.
        """
        self._window, self._blur, self._since = window, blur, since
        self._chosen = Chosen(MOST_FRAMES)
        self._busiest: FrameResult | None = None
        self._windows = 0

    def add(self, result: FrameResult) -> None:
        """Take the next frame."""
        if self._busiest is not None and self._index(result) != self._index(self._busiest):
            self._choose()
        if result.faces and (self._busiest is None or len(result.faces) > len(self._busiest.faces)):
            self._busiest = result

    def viewer(self) -> Viewer | None:
        """What the page shows; None if no frame had a face."""
        self._choose()
        scenes = self._chosen.scenes
        remarks = []
        if self._windows > len(scenes):
            remarks.append(
                f"Shown are the {len(scenes)} frames with the most faces, one a time window at most, of {self._windows:,} time "
                "windows with faces; the table faces.* holds every face of every frame."
            )
        if self._since and scenes:
            remarks.append(f"The run was resumed: frames before {clock(self._since)} are not among those shown.")
        if self._blur and scenes:
            remarks.append("No picture is shown, so that nobody can be recognised.")
        return Viewer(scenes, remarks) if scenes else None

    def _index(self, result: FrameResult) -> int:
        return int((result.time + 1e-6) // self._window)

    def _choose(self) -> None:
        busiest, self._busiest = self._busiest, None
        if busiest is None:
            return
        self._windows += 1
        if self._chosen.wants(len(busiest.faces)):
            self._chosen.add(self._scene(busiest))

    def _scene(self, result: FrameResult) -> Scene:
        rgb = None if self._blur else result.rgb
        faces = [_face(tracked) for tracked in result.faces]
        picture = None if rgb is None else embedded(rgb, largest_side(MOST_FRAMES))
        return Scene(clock(result.time), result.width, result.height, faces, picture, {})


def _face(tracked: TrackedFace) -> dict[str, object]:
    (face,) = scene_faces([tracked.face])
    return {**face, "track": tracked.track}
