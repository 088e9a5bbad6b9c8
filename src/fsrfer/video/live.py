"""A live source: its newest frame, and what happens to it. One thread opens, reads and closes it, and opens it again."""

import threading
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from fsrfer.errors import InputError
from fsrfer.types import UInt8Image
from fsrfer.video.newest import Newest
from fsrfer.video.opening import without_secrets
from fsrfer.video.picture import Picture
from fsrfer.video.reading import Clip, Ending, open_video

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a lost source is opened again, with the first attempt and with the last ones."""

GROWTH = 1.5
"""By which each pause is longer than the one before: cameras allow few connections, and take a minute to start."""

GOOD = 60.0
"""Seconds of pictures after which the pauses begin anew."""

EARLY = 0.1
"""Share of the time between two looks by which a frame may come early: cameras are not punctual."""

GLANCE = 0.2
"""Seconds between two looks at whether the source is open; signals are handled there."""

JUDGED_EVERY = 2.0
"""Seconds after which it is judged whether decoding keeps up."""

NO_REST = 0.02
"""Share of the time that reading waits for data, below which decoding does not keep up."""

TICK = 0.0001
"""Seconds between two frames that came at once."""

MUCH_REST = 0.5
"""The same, from which it does again."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One frame of a live source.

    Attributes:
        time: seconds from the first frame to when its data came, by this machine's clock.
        arrived: the same by `time.monotonic`.
    """

    time: float
    arrived: float
    _frame: "VideoFrame" = field(repr=False)
    _picture: Picture = field(repr=False)

    def rgb(self) -> UInt8Image:
        """The picture: uint8, height x width x 3, upright, with square pixels.

        Raises:
            InputError: it is too large.
        """
        return self._picture.rgb(self._frame)


@dataclass(frozen=True, slots=True)
class Lost:
    """The source ended, fell silent or failed; it is opened again until it is back or given up.

    Attributes:
        time: as that of `Arrived`.
        reason: in words.
    """

    time: float
    reason: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The source is back.

    Attributes:
        time: as that of `Arrived`.
        seconds: without it.
        attempts: to open it, this one included.
        width, height: of its frames in pixels.
        resized: whether they were of another size before; nobody is then followed from there.
    """

    time: float
    seconds: float
    attempts: int
    width: int
    height: int
    resized: bool


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The source was not back in time; nothing follows.

    Attributes:
        time: as that of `Arrived`.
        seconds: without it.
        reason: of the last attempt, in words.
    """

    time: float
    seconds: float
    reason: str


Happening = Lost | Returned | GivenUp


class Pauses:
    """How long to wait before each attempt to open a lost source.

    Example:
        >>> pauses = Pauses()
        >>> [round(pauses.next(), 1) for _ in range(12)]
        [1.0, 1.5, 2.2, 3.4, 5.1, 7.6, 11.4, 17.1, 25.6, 38.4, 57.7, 60.0]
        >>> pauses.lasted(61)
        >>> pauses.next()
        1.0
    """

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def next(self) -> float:
        """Seconds to wait now."""
        pause, self._next = self._next, min(GROWTH * self._next, LONGEST_PAUSE)
        return pause

    def lasted(self, seconds: float) -> None:
        """The source was there for so long."""
        if seconds >= GOOD:
            self._next = FIRST_PAUSE


class LiveSource:
    """A camera or stream of which only the newest frame is kept; close it, or use it in a ``with`` block.

    Attributes:
        name: as the user gave it, without secrets.
        live, duration: always True and None.
        ending: how reading went so far; its ``holes`` are the seconds without the source.
    """

    live = True
    duration: float | None = None

    def __init__(self, source: str, every: float, threads: int | None = None, give_up: float | None = None):
        """Open it.

        Args:
            source: a camera's number, or an ``rtsp://`` or ``http(s)://`` stream.
            every: seconds between two frames that are wanted; 0 wants every frame.
            threads: for decoding, at most two.
            give_up: seconds after which a lost source is not opened again; None goes on for ever.

        Raises:
            InputError: it cannot be opened, or is no live source.
        """
        self.name, self.ending = without_secrets(source), Ending()
        self._source, self._every, self._threads, self._give_up = source, every, threads, give_up
        self._newest: Newest[Arrived, Happening] = Newest()
        self._settled, self._stop = threading.Event(), threading.Event()
        self._refused: InputError | None = None
        self._first = self._last = monotonic()  # when the first and the last frame came
        self._frames, self._due = 0, 0.0
        self._loss: _Loss | None = None
        self._size: tuple[int, int] | None = None
        self._reader = threading.Thread(target=self._work, name="live source", daemon=True)
        self._reader.start()
        try:
            while not self._settled.wait(GLANCE):
                pass
            if self._refused is not None:
                raise self._refused
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "LiveSource":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def take(self, timeout: float) -> tuple[Arrived, int] | Happening | None:
        """What comes next: the newest frame once one is due, and how many looks were missed; what happened; None in time.

        Args:
            timeout: seconds to wait.
        """
        return self._newest.take(timeout)

    def seconds(self) -> float:
        """Since the first frame came."""
        return monotonic() - self._first

    def lost_for(self) -> float:
        """Seconds since the last frame came, while the source is lost; else 0."""
        return monotonic() - self._last if self._loss is not None else 0.0

    def close(self) -> None:
        """Let the device or stream go; waits for the thread that reads, no longer than a silent source is waited for."""
        self._stop.set()
        self._reader.join()
        self.ending.holes += self.lost_for()
        self._loss = None

    def _work(self) -> None:
        try:
            self._read()
        except BaseException as error:  # raised again where frames are taken
            self._newest.fail(error)
        finally:
            self._settled.set()

    def _read(self) -> None:
        """Open the source, watch it, and again, until it is told to stop or the source is given up."""
        pauses = Pauses()
        clip = self._open()
        while not self._stop.is_set():
            if clip is not None:
                with clip:
                    pauses.lasted(self._watch(clip))
                self._note_loss(clip.ending)
            if self._refused is not None or self._stop.is_set():
                return
            if not self._pause(pauses.next()):
                return
            clip = self._open()

    def _open(self) -> Clip | None:
        """Try to open it: None in vain, which ends the first attempt and is noted in later ones."""
        if self._loss is not None:
            self._loss.attempts += 1
        try:
            clip = open_video(self._source, self._threads, at_once=True)
            if clip.live or self._frames:
                return clip
            clip.close()
            raise InputError(f"{self.name}: a file, not a live source; leave out --live")
        except InputError as error:
            self._fail(error)
        return None

    def _fail(self, error: InputError) -> None:
        if self._loss is None:
            self._refused = error
        else:
            self._loss.reason = str(error).removeprefix(f"{self.name}: ")

    def _watch(self, clip: Clip) -> float:
        """Hand on the frames of an opened source as long as they come; returns for how many seconds."""
        picture, began, decoding = clip.picture(), monotonic(), _Decoding(clip)
        for frame in clip.decoded():
            if self._stop.is_set():
                break
            self._take_note(clip, frame.width, frame.height)
            time = self._last - self._first
            self._newest.put(Arrived(time, self._last, frame, picture), wanted=self._is_due(time))
            decoding.judge(clip)
        return self._last - began

    def _take_note(self, clip: Clip, width: int, height: int) -> None:
        """What the arrival of a frame says of the source."""
        before, self._last = self._last, max(clip.arrived, self._last + TICK)
        if not self._frames:
            self._first = self._last
            self._settled.set()
        self._frames += 1
        time, resized = self._last - self._first, self._size not in (None, (width, height))
        self.ending.read_to = clip.ending.read_to = time
        self._size = width, height
        if self._loss is not None:
            missing, attempts, self._loss = self._last - before, self._loss.attempts, None
            self.ending.holes += missing
            self._newest.tell(Returned(time, missing, attempts, width, height, resized))

    def _is_due(self, time: float) -> bool:
        """Whether a frame is wanted."""
        every = self._every
        if time < self._due - EARLY * every:
            return False
        self._due = (self._due if time - self._due < every / 2 else time) + every
        return True

    def _note_loss(self, ended: Ending) -> None:
        self.ending.damaged += ended.damaged
        self.ending.corrupt += ended.corrupt
        reason = ended.reason or "the stream ended"
        if not self._frames:
            self._refused = InputError(f"{self.name}: no frame in it can be read ({reason})")
        elif self._loss is None and not self._stop.is_set():
            self._loss = _Loss(reason)
            self._newest.tell(Lost(self.seconds(), reason))

    def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt; False where there shall be none."""
        left = max(0.0, (inf if self._give_up is None else self._give_up) - self.lost_for())
        if self._stop.wait(min(seconds, left)):
            return False
        if left > seconds or self._loss is None:
            return True
        lost = self.lost_for()
        self.ending.reason = f"given up at {self.seconds():.2f} s, {lost:.0f} s after it was lost ({self._loss.reason})"
        self._newest.tell(GivenUp(self.seconds(), lost, self._loss.reason))
        return False


@dataclass(slots=True)
class _Loss:
    """A loss that lasts: why, and how often the source was opened since."""

    reason: str
    attempts: int = 0


class _Decoding:
    """Whether decoding keeps up: if it never waits for data, they pile up before it, and frames would come later and later."""

    def __init__(self, clip: Clip) -> None:
        self._since, self._waited, self._late = monotonic(), clip.waited, False

    def judge(self, clip: Clip) -> None:
        """After a frame."""
        seconds = monotonic() - self._since
        if seconds < JUDGED_EVERY:
            return
        rest = (clip.waited - self._waited) / seconds
        late = rest < (MUCH_REST if self._late else NO_REST)
        if late != self._late:
            clip.hurry(late)
        self._since, self._waited, self._late = self._since + seconds, clip.waited, late
