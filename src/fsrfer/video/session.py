"""A run over one video, from opening it to its summary: sampled, recognised, recorded, stopped and resumed without loss."""

from collections.abc import Generator

from fsrfer.video.reading import open_video
from fsrfer.video.results import FrameResult
from fsrfer.video.run import Run
from fsrfer.video.settings import VideoSettings
from fsrfer.video.summary import VideoSummary

REWATCHED = 3.0
"""Seconds that an aggregate-only run watches again on resume, twice what a face may go unseen."""


class VideoSession:
    """One run; use it in a ``with`` block.

    Attributes:
        clip: the opened video.

    Example:
        >>> settings = VideoSettings("hall.mp4", output=Path("hall"))  # doctest: +SKIP
        >>> with VideoSession(settings) as session:  # doctest: +SKIP
        ...     for result in session.results():
        ...         print(result.time, len(result.faces))
        ...     summary = session.finish()
    """

    def __init__(self, settings: VideoSettings) -> None:
        """Check the settings, open the video, load the networks and lock the output.

        Raises:
            InputError: the video cannot be opened, the output cannot be written or is in use, or there is nothing to resume.
            ModelError: a model is missing, damaged, or not one of ours.
        """
        settings.check()
        self._settings = settings
        self.clip = open_video(settings.source, settings.threads)
        try:
            self._run = Run(settings, self.clip)
        except BaseException:
            self.clip.close()
            raise

    def __enter__(self) -> "VideoSession":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def start(self) -> float:
        """Where in the clip the run begins, in seconds."""
        return self._run.start

    def results(self) -> Generator[FrameResult, None, None]:
        """The sampled frames, each recorded before it is given."""
        settings, progress = self._settings, self._run.progress
        # An aggregate-only run keeps no tracks: the seconds before are watched again, so that nobody is counted twice.
        again = REWATCHED if progress and progress.state is None else 0.0
        steps = self._run.recognizer.follow(
            self.clip,
            settings.every,
            max(0.0, self.start - again),
            progress.state if progress else None,
            pictures=settings.annotate is not None or (settings.shows_frames and not settings.blur),
            seek=not (progress and progress.uneven),
        )
        known = 0
        try:
            for result, state in steps:
                if result.time < self.start - 1e-6:
                    known = state.started
                    continue
                self._run.add(result, state, known, uneven=not self.clip.ending.even)
                yield result
        finally:
            steps.close()

    def finish(self, stopped: bool = False) -> VideoSummary:
        """Write what is left, the summary and the page; see `Run.finish`."""
        return self._run.finish(stopped)

    def close(self) -> None:
        """Let the video and the output go."""
        self.clip.close()
        self._run.close()
