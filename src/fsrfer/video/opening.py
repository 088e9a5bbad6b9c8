"""Opening a video file, a camera or a stream: what is opened, by which protocols and formats, and how it may be named."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    *("ogg", "gif", "apng", "mxf", "gxf", "dv", "wtv", "nut", "rm", "mjpeg", "yuv4mpegpipe", "vc1", "webp_anim"),
    *("mp3", "flac", "wav", "aac"),  # sound alone is opened to be told apart from damage
)
"""Containers that hold their own frames; lists of other files (HLS, DASH, concat) are none."""

_LISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<?xml", b"v=0")
"""How files begin that name others."""

CAMERAS = {"linux": ("/dev/video{}", "v4l2"), "darwin": ("{}", "avfoundation")}
"""Device and driver of a numbered camera by system, as FFmpeg names them."""

TIMEOUT = 15.0
"""Seconds after which a silent stream counts as ended."""


def open_container(name: str) -> "InputContainer":
    """The container behind a file, a camera's number (``"0"``), or an ``rtsp://`` or ``http(s)://`` stream.

    Raises:
        InputError: no such file, a list of other files, or something that is not opened.
        av.FFmpegError, OSError, ValueError: FFmpeg cannot open it.
    """
    import av

    if name.isdecimal():
        device, driver = _camera(int(name))
        return av.open(device, format=driver, timeout=TIMEOUT)
    scheme = name.partition("://")[0].lower() if "://" in name else None
    if scheme is None:
        return _open_file(Path(name))
    if scheme not in STREAM_PROTOCOLS:
        raise InputError(f"{without_secrets(name)}: only {', '.join(STREAM_PROTOCOLS)} streams are opened")
    options: dict[str, Any] = {"protocol_whitelist": STREAM_PROTOCOLS[scheme]}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    return av.open(name, options=options, timeout=TIMEOUT)


def choose_stream(container: "InputContainer", name: str) -> "VideoStream":
    """The video of a container, as FFmpeg chooses it; never a cover picture.

    Raises:
        InputError: there is none, or its frames are too large.
    """
    from av.stream import Disposition

    videos = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    try:
        best = container.streams.best("video")
    except IndexError:  # a damaged file may declare a stream only after PyAV has listed them
        best = None
    stream = next((one for one in videos if best is not None and one.index == best.index), next(iter(videos), None))
    if stream is None:
        only = "only a cover picture" if container.streams.video else "no video"
        raise InputError(f"{name}: there is {only} in it")
    if stream.codec_context is None:
        raise InputError(f"{name}: there is no decoder for its video; convert it, for example to MP4 (H.264)")
    if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
        raise InputError(f"{name}: frames of more than {MAX_PIXELS // 10**6} megapixels are refused")
    return stream


def is_live(name: str, container: "InputContainer") -> bool:
    """Whether a source cannot wait nor be read again: a camera, or a stream without a length (a file behind http has one)."""
    return name.isdecimal() or ("://" in name and not (name.lower().startswith("http") and container.duration))


def without_secrets(name: str) -> str:
    """A source's name without what may be secret in a stream's address: user name, password and query.

    Example:
        >>> without_secrets("rtsp://admin:secret@10.0.0.7/hall?token=abc")
        'rtsp://10.0.0.7/hall'
        >>> without_secrets("rtsp://admin:pass/word@10.0.0.7/hall")
        'rtsp://(address hidden)'
    """
    scheme, separator, rest = name.partition("://")
    if not separator:
        return name
    address = rest.partition("?")[0].partition("#")[0]
    authority, slash, path = address.partition("/")
    if "@" in path or "@" in rest[len(address) :]:  # where the password ends cannot be told
        return f"{scheme}://(address hidden)"
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def one_line(error: BaseException) -> str:
    """An FFmpeg error's own words, without its number and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _open_file(path: Path) -> "InputContainer":
    import av

    if not path.is_file():
        raise InputError(f"{path}: no such file; name a video file, a camera's number or a stream's URL")
    with path.open("rb") as stream:
        beginning = stream.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
    if beginning.startswith(_LISTS):
        raise InputError(f"{path}: a list of other files, not a video; name the video itself")
    # An absolute path: FFmpeg takes what stands before a colon for a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(FILE_FORMATS)}
    return av.open(str(path.absolute()), options=options)


def _camera(number: int) -> tuple[str, str]:
    """Device and driver of a camera, as FFmpeg names them.

    Raises:
        InputError: this system has no numbered cameras.
    """
    if sys.platform not in CAMERAS:
        raise InputError(f"camera {number}: cameras have no numbers on {sys.platform}; name the URL of a stream")
    device, driver = CAMERAS[sys.platform]
    return device.format(number), driver
