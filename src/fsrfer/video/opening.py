"""Opening a video file, a camera or a stream: what is opened, by which protocols and formats, and how it may be named."""

import re
import sys
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from PIL import Image

from fsrfer.errors import InputError
from fsrfer.images import MAX_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

STREAM_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "http": "http,tcp,https,tls,crypto,hls",
    "https": "https,tcp,http,tls,crypto,hls",
}
"""Streams that are opened, and the protocols each may use; a file may read nothing but files."""

FILE_FORMATS = (
    *(
        "mov",
        "matroska",
        "webm",
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "m4v",
        "h264",
        "hevc",
        "av1",
        "ivf",
        "obu",
        "flv",
        "asf",
    ),
    *("ogg", "gif", "apng", "mxf", "gxf", "dv", "wtv", "nut", "rm", "mjpeg", "mpjpeg", "yuv4mpegpipe", "vc1", "vvc"),
    *("dhav", "h261", "h263", "nsv", "webp_anim"),
    *("mp3", "flac", "wav", "w64", "aac", "ac3", "aiff", "caf", "amr", "ape", "wv"),  # sound is told apart from damage
)
"""Containers that hold their own frames; lists of other files (HLS, DASH, concat) are none."""

_LISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<?xml", b"v=0")
"""How files begin that name others."""

ADDRESS_FORMATS = (*FILE_FORMATS, "hls", "dash")
"""Behind an http address a list of pieces is a stream; its pieces come by the protocols of the address."""

PREFERRED = 5_000_000
"""Pixels that being the default is worth to FFmpeg when it chooses a stream."""

CAMERAS = {"linux": ("/dev/video{}", "v4l2"), "darwin": ("{}", "avfoundation")}
"""Device and driver of a numbered camera by system, as FFmpeg names them."""

NAMED_CAMERA = "video="
"""How the name of a camera begins on Windows, where they have no numbers."""

CAMERA_OPTIONS = {
    "v4l2": {"input_format": "mjpeg", "video_size": "1280x720", "framerate": "30"},
    "avfoundation": {"framerate": "30"},
}
"""What is asked of cameras by driver: left alone, v4l2 takes raw video, often 5 frames a second, avfoundation none at all."""

TIMEOUT = 15.0
"""Seconds after which a silent stream counts as ended."""

LIVE_TIMEOUT = 5.0
"""The same in live use, where it is opened again."""


KEY = 20
"""Characters from which a part of an address that mixes letters and digits may be the key to it."""


def open_container(name: str, at_once: bool = False) -> "InputContainer":
    """The container behind a file, a camera's number (``"0"``), or an ``rtsp://`` or ``http(s)://`` stream.

    Args:
        name: of it.
        at_once: see `fsrfer.video.reading.open_video`.

    Raises:
        InputError: no such file, a list of other files, something that is not opened, or FFmpeg cannot open it.
    """
    import av

    try:
        return _opened(name, at_once)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = one_line(error)
    # Outside the block: FFmpeg's own error, which holds the whole address, must not travel with ours.
    raise InputError(f"{without_secrets(name)}: cannot be opened as a video ({why})")


def choose_stream(container: "InputContainer", name: str) -> "VideoStream":
    """The video of a container that ``ffmpeg`` would choose: the default one, else the largest; never a cover picture.

    Raises:
        InputError: there is none, or its frames are too large.
    """
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    videos = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    videos = [one for one in videos if not one.disposition & still] or videos
    if not videos:
        only = "only a cover picture" if container.streams.video else "no video"
        raise InputError(f"{name}: there is {only} in it")
    stream = max(videos, key=lambda one: _pixels(one) + PREFERRED * bool(one.disposition & Disposition.default))
    if stream.codec_context is None:
        raise InputError(f"{name}: there is no decoder for its video; convert it, for example to MP4 (H.264)")
    if _pixels(stream) > MAX_PIXELS:
        raise InputError(f"{name}: frames of more than {MAX_PIXELS // 10**6} megapixels are refused")
    return stream


def is_camera(name: str) -> bool:
    """Whether a source is a camera: a number, on Windows ``video=NAME``."""
    return name.isdecimal() or (sys.platform == "win32" and name.startswith(NAMED_CAMERA))


def is_live(name: str, container: "InputContainer") -> bool:
    """Whether a source cannot wait nor be read again: a camera, or a stream without a length (a file behind http has one)."""
    if is_camera(name):
        return True
    if "://" not in name:
        return False
    is_whole = container.duration or (container.size > 0 and container.format.name not in ("hls", "dash"))
    return not (_is_http(name) and is_whole)


def without_secrets(name: str) -> str:
    """A source's name without what may be secret in a stream's address: user, password, query, and names with values.

    Example:
        >>> without_secrets("rtsp://admin:secret@10.0.0.7:554/hall?token=abc")
        'rtsp://10.0.0.7:554/hall'
        >>> without_secrets("rtsp://10.0.0.7/user=admin&password=secret&channel=1")
        'rtsp://10.0.0.7/(hidden)'
        >>> without_secrets("rtsp://admin:pass/word@10.0.0.7/hall")
        'rtsp://(address hidden)'
        >>> without_secrets("https://10.0.0.7/live/7f3c9a51e0b84d2296aa/index.m3u8")
        'https://10.0.0.7/live/(hidden)'
    """
    scheme, separator, rest = name.partition("://")
    if not separator:
        return name if Path(name).exists() else _mistyped(name)
    address = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = address.partition("/")
    host = authority.rpartition("@")[2]
    # Where a password ends cannot be told if it holds one of the marks that end an address or a name.
    if "@" in unquote(unquote(rest[len(authority) :])) or not re.fullmatch(
        r"(\[[0-9A-Fa-f:.]+\]|[\w.-]*)(:\d*)?", host
    ):
        return f"{scheme}://(address hidden)"
    if scheme.lower() not in STREAM_PROTOCOLS:  # such as rtmp, where the path is the key
        return f"{scheme}://{host}"
    parts = path.split("/")
    kept = list(takewhile(lambda part: not _may_be_secret(unquote(unquote(part))), parts))
    return f"{scheme}://{host}{slash}{'/'.join(kept if kept == parts else [*kept, '(hidden)'])}"


def _may_be_secret(part: str) -> bool:
    """Whether a part of a path names a value, announces one, or looks like a key: long, of letters and digits."""
    if re.search(r"[=&;:?#\s]", part) or re.fullmatch(
        r"(?i)(auth|(access)?_?(key|token)|pass(wd|word)?|secret|sig(nature)?)", part
    ):
        return True
    return len(part) >= KEY and bool(re.search(r"\d", part)) and re.fullmatch(r"[\w-]+", part) is not None


def one_line(error: BaseException) -> str:
    """An FFmpeg error's own words, without its number and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _opened(name: str, at_once: bool) -> "InputContainer":
    import av

    timeout = LIVE_TIMEOUT if at_once else TIMEOUT
    if is_camera(name):
        return _open_camera(*_camera(name), timeout)
    if "://" not in name:
        return _open_file(Path(name))
    scheme = name.partition("://")[0].lower()
    if scheme not in STREAM_PROTOCOLS:
        raise InputError(f"{without_secrets(name)}: only {', '.join(STREAM_PROTOCOLS)} streams are opened")
    options: dict[str, Any] = {"protocol_whitelist": STREAM_PROTOCOLS[scheme]}
    if _is_http(name):
        options["format_whitelist"] = ",".join(ADDRESS_FORMATS)
    else:
        options["rtsp_transport"] = "tcp"
    if at_once:
        # Nobody asks for its frame rate, for which FFmpeg would hold back the first seconds.
        options |= {"flags": "low_delay", "fpsprobesize": "0"}
    return av.open(name, options=options, timeout=timeout)


def _open_camera(device: str, driver: str, timeout: float) -> "InputContainer":
    """A camera, as it is wanted if it can do that, else as it is."""
    import av

    wanted = CAMERA_OPTIONS.get(driver)
    if wanted:
        with suppress(av.FFmpegError, OSError, ValueError):
            return av.open(device, format=driver, options=wanted, timeout=timeout)
    return av.open(device, format=driver, timeout=timeout)


def _is_http(name: str) -> bool:
    return name.lower().startswith("http")


def _pixels(stream: "VideoStream") -> int:
    context = stream.codec_context  # None where there is no decoder
    return context.width * context.height if context else 0


def _open_file(path: Path) -> "InputContainer":
    import av

    if path.is_dir():
        raise InputError(f"{path}: a folder, not a video; name one of the videos in it")
    if not path.is_file():
        shown = _mistyped(str(path))
        raise InputError(f"{shown}: no such file; name a video file, a camera's number or a stream's URL")
    with path.open("rb") as stream:
        beginning = stream.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not beginning:
        raise InputError(f"{path}: the file is empty")
    if beginning.startswith(_LISTS):
        raise InputError(f"{path}: a list of other files, not a video; name the video itself")
    # An absolute path: FFmpeg takes what stands before a colon for a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(FILE_FORMATS)}
    try:
        return av.open(str(path.absolute()), options=options)
    except av.FFmpegError:
        if _is_picture(path):
            raise InputError(
                f"{path}: a picture that cannot be read as a video; fsrfer predict reads pictures"
            ) from None
        raise


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return bool(image.format)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _mistyped(name: str) -> str:
    """The name of a file that is not there, hidden where it may be an address that was mistyped."""
    return "(address hidden)" if re.search("^[a-z]{3,6}:/|:.*@|^//", name, re.IGNORECASE) else name


def _camera(name: str) -> tuple[str, str]:
    """Device and driver of a camera, as FFmpeg names them.

    Raises:
        InputError: this system has no numbered cameras.
    """
    if not name.isdecimal():
        return name, "dshow"
    if sys.platform not in CAMERAS:
        how = f"write {NAMED_CAMERA}NAME, or name" if sys.platform == "win32" else "name"
        raise InputError(f"camera {name}: cameras have no numbers on {sys.platform}; {how} the URL of a stream")
    device, driver = CAMERAS[sys.platform]
    return device.format(int(name)), driver
