"""What a service is told when it starts, and what it refuses to start with."""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from fsrfer.errors import InputError
from fsrfer.group.withholding import MIN_GROUP, SmallestGroup
from fsrfer.recognition.certainty import MIN_FACE
from fsrfer.recognition.devices import CPU
from fsrfer.recognition.runtime import granted_processors

LEAST_TOKEN = 16
"""Characters of a token."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names that a service answers to without being told others."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How to serve.

    Attributes:
        host, port: to listen at.
        token: that clients must show; None lets in whoever reaches the service, which must then be on the loopback.
        allowed_hosts: names that it is asked for by, besides its own address and those of the loopback.
        max_pixels: larger pictures are refused before they are decoded.
        max_upload: bytes of a request's body.
        max_pictures: in one request.
        workers: processes that decode and find faces; None takes one for each processor granted.
        queue: requests that may be under way at once; those beyond are answered 503.
        memory: bytes that the bodies of all requests may take together.
        aggregate_only: whether nothing of single faces is answered.
        min_group: smallest group reported where nothing of single faces is.
        head_seconds, upload_seconds, picture_seconds, seconds: for the head of a request, its body, one picture, all the work.
        stop_seconds: that requests under way have to end in when the service is stopped.
        live_sessions: of live frames at once.
        max_video: bytes of a video.
        videos: that may wait or be watched at once; one is watched at a time.
        longest_video: seconds of a video.
        video_seconds: that watching one may take.
        keep_seconds: that its result is kept for.
        model, detector, threads, min_face: as for `fsrfer.Recognizer`.
        device: that faces are recognised on, as for `fsrfer.Recognizer`; workers find them on the processor.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    max_pixels: int = 50_000_000
    max_upload: int = 20 * 2**20
    max_pictures: int = 32
    workers: int | None = None
    queue: int = 128
    memory: int = 512 * 2**20
    aggregate_only: bool = False
    min_group: int = MIN_GROUP
    head_seconds: float = 10.0
    upload_seconds: float = 30.0
    picture_seconds: float = 20.0
    seconds: float = 60.0
    stop_seconds: float = 30.0
    live_sessions: int = 8
    max_video: int = 100 * 2**20
    videos: int = 4
    longest_video: float = 600.0
    video_seconds: float = 1200.0
    keep_seconds: float = 3600.0
    model: str | Path = "default"
    detector: str | Path = "default"
    threads: int | None = None
    min_face: float = MIN_FACE
    device: str = CPU

    @property
    def video_upload_seconds(self) -> float:
        """For the body of a video, which may come as slowly as those of pictures."""
        return self.upload_seconds * max(1.0, self.max_video / self.max_upload)

    @property
    def smallest(self) -> SmallestGroup:
        """What is withheld from everyone."""
        return SmallestGroup(self.min_group if self.aggregate_only else 0)

    @property
    def processes(self) -> int:
        """How many workers decode."""
        return self.workers or granted_processors()

    @property
    def hosts(self) -> frozenset[str]:
        """Names that the service answers to, in small letters."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset(name.lower() for name in (*LOOPBACK, own, *self.allowed_hosts))

    def check(self) -> None:
        """Refuse to be open to a network without a token.

        Raises:
            InputError: it would be.
        """
        if self.token is None and not is_loopback(self.host):
            raise InputError(
                f"--host {self.host}: whoever reaches it could use the service; add --token-file FILE, or listen at 127.0.0.1"
            )

    def admits(self, shown: bytes) -> bool:
        """Whether what a client shows is the token; takes as long whatever it shows."""
        if self.token is None:
            return True
        return hmac.compare_digest(_digest(shown), _digest(self.token.encode()))


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token in a file: its first line.

    Raises:
        InputError: the file cannot be read, or holds no token that is hard to guess.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the token cannot be read ({getattr(error, 'strerror', None) or error})") from error
    token = lines[0].strip() if lines else ""
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"{path}: a token is one line of {LEAST_TOKEN} or more letters and digits; "
            f"make one with: openssl rand -hex 32 > {path}"
        )
    return token


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
