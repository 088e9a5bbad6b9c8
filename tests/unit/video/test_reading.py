import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fsrfer.errors import InputError
from fsrfer.video.opening import without_secrets
from fsrfer.video.prefetch import prefetch
from fsrfer.video.reading import open_video

pytest.importorskip("av", reason="PyAV is not installed (the extra 'video')")

from support.clips import write_clip


def red_corner(height: int = 48, width: int = 64) -> np.ndarray:
    frame = np.full((height, width, 3), 40, np.uint8)
    frame[: height // 3, : width // 3] = (230, 20, 20)
    return frame


def times_of(path: Path, every: float = 0.0, start: float = 0.0) -> list[float]:
    with open_video(path, 1) as clip:
        return [round(frame.time, 3) for frame in clip.frames(every, start)]


def test_every_frame_with_its_time(tmp_path: Path) -> None:
    assert times_of(write_clip(tmp_path / "a.mp4", [red_corner()] * 5)) == [0, 0.1, 0.2, 0.3, 0.4]


def test_sampling_honours_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.1, 0.62, 0.7, 1.9, 1.95, 2.0]
    path = write_clip(tmp_path / "a.mp4", [red_corner()] * len(times), times)
    assert times_of(path, every=0.5) == [0.0, 0.62, 1.9, 2.0]
    assert times_of(path, every=1.0, start=1.0) == [1.9, 2.0]


@pytest.mark.parametrize(("turn", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))])
def test_frames_are_upright(tmp_path: Path, turn: int, corner: tuple[int, int]) -> None:
    path = write_clip(tmp_path / "a.mp4", [red_corner()] * 2, rotation=turn)
    with open_video(path, 1) as clip:
        rgb = next(clip.frames()).rgb
    assert rgb.shape == ((64, 48, 3) if turn in (90, -90) else (48, 64, 3))
    rows, columns = np.nonzero((rgb[..., 0] > 150) & (rgb[..., 1] < 100))
    assert (round(rows.mean() / rgb.shape[0]), round(columns.mean() / rgb.shape[1])) == corner


def test_a_truncated_file_gives_its_beginning_and_says_so(tmp_path: Path) -> None:
    from support.clips import faststart

    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(40)]
    whole = faststart(write_clip(tmp_path / "a.mp4", frames), tmp_path / "b.mp4").read_bytes()
    path = tmp_path / "c.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with open_video(path, 1) as clip:
        count = len(list(clip.frames()))
        ending = clip.ending
    assert 10 <= count <= 25
    assert ending.reason is not None
    assert f"{ending.read_to:.2f} s" in ending.reason


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = (rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(40))
    data = bytearray(write_clip(tmp_path / "a.mp4", frames).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path = tmp_path / "b.mp4"
    path.write_bytes(data)
    with open_video(path, 1) as clip:
        assert len(list(clip.frames())) >= 30
        assert clip.ending.read_to > 3.5


@pytest.mark.parametrize(
    "name", ["missing.mp4", "text.mp4", "empty.mp4", "ftp://host/a.mp4", "file:///etc/passwd", "."]
)
def test_what_cannot_be_opened_is_told_in_one_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.mp4").write_text("no video")
    Path("empty.mp4").touch()
    with pytest.raises(InputError) as error:
        open_video(name)
    assert "\n" not in str(error.value)


def test_a_playlist_file_reaches_nothing_but_files(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError):
        open_video(path)


def test_passwords_are_never_shown() -> None:
    with pytest.raises(InputError) as error:
        open_video("rtsp://user:hunter2@127.0.0.1:9/hall")
    assert "hunter2" not in str(error.value)
    assert without_secrets("clip@home.mp4") == "clip@home.mp4"
    assert without_secrets("http://host/a.mp4?token=secret") == "http://host/a.mp4"


@pytest.mark.parametrize(
    "address",
    [
        *(f"rtsp://admin:S3{mark}cret@host/hall" for mark in ("", *"@/?#:;&= \\%", "\n", "%40", "%2F")),
        "rtsp://S3cret@host",
        "rtsp://:S3cret@[::1]:554/hall",
        "RTSP://admin:S3cret@host/hall",
        "http://host/a.mp4?token=S3cret",
        "http://host/a@b?p=S3cret",
        "http://host/a.mp4#S3cret",
        "rtsp://host/user=admin_password=S3cret_channel=1",
        "http://host/a;token=S3cret/b",
        "http://host/%3Fpassword%3DS3cret",
        "http://host/a%2540S3cret",
        "http://host/token/S3cret/a.m3u8",
        "https://host/live/S3cretS3cretS3cretS3cret/a.m3u8",
        "rtmp://host/live/S3cret",
        "srt://host:1?passphrase=S3cret",
        "rtsp:/admin:S3cret@host/hall",
        "rtsp:admin:S3cret@host/hall",
        "//admin:S3cret@host/hall",
        "rtsp:///admin:S3cret@host/hall",
    ],
)
def test_nothing_secret_is_shown_of_an_address(address: str) -> None:
    assert not re.search("S3|cret", without_secrets(address))
    with pytest.raises(InputError) as error:
        open_video(address.replace("host", "127.0.0.1:9"))
    assert not re.search("S3|cret", str(error.value))


def test_what_tells_streams_apart_is_shown() -> None:
    for address in (
        "rtsp://10.0.0.7:554/Streaming/Channels/101",
        "http://cam-3.local/axis-cgi/mjpg/video.cgi",
        "rtsp://[::1]/hall",
    ):
        assert without_secrets(address) == address


def test_stages_hand_on_items_errors_and_stops() -> None:
    assert list(prefetch(range(50), 3)) == list(range(50))

    def failing() -> Iterator[int]:
        yield 1
        raise InputError("broken")

    with pytest.raises(InputError, match="broken"):
        list(prefetch(failing(), 3))
    before = threading.active_count()
    endless = prefetch(iter(int, 1), 2)
    next(endless)
    endless.close()
    assert threading.active_count() == before


def test_a_live_source_drops_the_oldest() -> None:
    may_read, dropped = threading.Event(), []

    def source() -> Iterator[int]:
        yield from range(10)
        may_read.set()

    kept = prefetch(source(), 3, dropped.append)
    first = next(kept)
    may_read.wait(5)
    rest = list(kept)
    assert [*sorted([first, *rest, *dropped])] == list(range(10))
    assert rest[-1] == 9
    assert dropped


@pytest.fixture
def faults(shared_data: Path) -> Path:
    folder = shared_data / "faults"
    if not folder.is_dir():
        pytest.skip(f"the faulty files are not at {folder}")
    return folder


@pytest.mark.parametrize(
    ("name", "looks", "lost"),
    [
        ("two-parts.ts", 16, ()),
        ("changes-size.ts", 12, ()),
        ("cover-first.mp4", 8, ()),
        ("corr.mp4", 8, ("damaged", "corrupt")),
        ("corr.ts", 6, ("corrupt", "missing")),
    ],
)
def test_video_as_it_comes(faults: Path, name: str, looks: int, lost: tuple[str, ...]) -> None:
    with open_video(faults / name) as clip:
        frames = list(clip.frames(0.5))
        ending = clip.ending
    assert len(frames) == looks
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))
    assert {frame.rgb.shape for frame in frames} == {(270, 480, 3)}
    assert len(ending.losses) == len(lost)
    assert all(word in words for word, words in zip(lost, ending.losses, strict=True))
    assert ending.jumps == (name == "two-parts.ts")
    assert ending.reason is None


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile /etc/passwd\n", "#EXTM3U\n#EXTINF:1,\n/etc/hosts\n", "\ufeff#EXTM3U\nx.ts\n"]
)
def test_a_list_of_other_files_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="a list of other files, not a video"):
        open_video(path)


def test_a_colon_in_a_relative_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4", [red_corner()] * 3).rename("10:15:00.mp4")
    assert len(times_of(Path("10:15:00.mp4"))) == 3


def test_the_last_frames_duration_counts(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    Image.fromarray(red_corner()).save(
        path, save_all=True, append_images=[Image.fromarray(red_corner()[::-1])], duration=2000
    )
    with open_video(path) as clip:
        assert len(list(clip.frames())) == 2
        assert clip.ending.reason is None


def write_interlaced(path: Path) -> Path:
    """A bar that moves between the two half pictures of every frame."""
    import av
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(width=128, height=96, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
    fields, sink = graph.add("setfield", "tff"), graph.add("buffersink")
    source.link_to(fields)
    fields.link_to(sink)
    graph.configure()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.options = {"flags": "+ildct+ilme", "q": "2"}
        for index in range(12):
            rgb = np.full((96, 128, 3), 20, np.uint8)
            rgb[0::2, 4 * index : 4 * index + 30] = 230
            rgb[1::2, 4 * index + 8 : 4 * index + 38] = 230
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            graph.push(frame)
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode(None))
    return path


def test_interlaced_frames_are_made_whole(tmp_path: Path) -> None:
    """A bar that moves between the two half pictures of a frame leaves a comb, which must be gone."""
    path = write_interlaced(tmp_path / "interlaced.mpg")
    with open_video(path, 1) as clip:
        frames = [frame.rgb.astype(int) for frame in clip.frames()]
    assert len(frames) == 12
    comb = np.mean([np.abs(frame[1:-1:2] - (frame[0:-2:2] + frame[2::2]) / 2).mean() for frame in frames[2:-2]])
    assert comb < 6  # about 20 in the frames as they are


def textured(index: int, size: tuple[int, int] = (160, 96)) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
    whole = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    return np.roll(whole, 2 * index, axis=1)


def encode(path: Path, frames: list[np.ndarray], codec: str, pix_fmt: str = "yuv420p", first: int = 0) -> Path:
    """A clip of 25 frames a second, a key frame every 20."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
        stream.codec_context.gop_size = 20
        for index, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts, frame.time_base = first + index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("first", [0, 36_000 * 25])
def test_a_clock_ten_hours_away_is_a_jump_and_not_hours_without_a_picture(tmp_path: Path, first: int) -> None:
    frames = [textured(index) for index in range(25)]
    parts = [
        encode(tmp_path / f"{start}.ts", frames, "mpeg2video", first=start) for start in (first, 36_000 * 25 - first)
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(joined, 1) as clip:
        times = [frame.time for frame in clip.frames()]
        ending = clip.ending
    assert len(times) == 50
    assert times[-1] == pytest.approx(1.96, abs=0.01)
    assert (ending.jumps, ending.losses, ending.even) == (1, [], False)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "libx264"), ("a.mpg", "mpeg2video"), ("a.h264", "libx264"), ("a.m2ts", "libx264"), ("a.mkv", "libx264")],
)
def test_what_begins_in_the_middle_is_what_the_whole_gives_there(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, [textured(index) for index in range(75)], codec)
    tails = []
    for start in (0.0, 1.0):
        with open_video(path, 1) as clip:
            frames = [(round(frame.time, 3), frame.rgb.tobytes()) for frame in clip.frames(0.2, start)]
            tails.append([one for one in frames if one[0] >= 1.0])
            assert clip.ending.losses == []
    assert len(tails[0]) == 10
    assert tails[0] == tails[1]


def test_damaged_jpeg_frames_are_left_out_and_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (96, 160, 3), np.uint8) for _ in range(20)]
    data = bytearray(encode(tmp_path / "a.avi", frames, "mjpeg", "yuvj420p").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = rng.integers(0, 256, 300, np.uint8).tobytes()
    path = tmp_path / "b.avi"
    path.write_bytes(data)
    with open_video(path, 1) as clip:
        assert 17 <= len(list(clip.frames())) <= 19
        assert clip.ending.damaged >= 1
        assert clip.ending.losses


def test_frames_of_another_shape_are_framed_and_not_stretched(tmp_path: Path) -> None:
    upright = np.full((160, 96, 3), 200, np.uint8)
    parts = [
        encode(tmp_path / "wide.ts", [textured(0)] * 5, "mpeg2video"),
        encode(tmp_path / "upright.ts", [upright] * 5, "mpeg2video"),
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(path, 1) as clip:
        frames = [frame.rgb for frame in clip.frames()]
        assert not clip.ending.even
    assert {frame.shape for frame in frames} == {(96, 160, 3)}
    bright = (frames[-1].mean(axis=2) > 100).mean(axis=0) > 0.5
    assert np.flatnonzero(bright)[[0, -1]].tolist() == pytest.approx([51, 108], abs=2)


@pytest.mark.parametrize(
    "address",
    [
        *("rtsp://u:s%40cret@host/x", "rtsp://h:554/user=a&password=cret&channel=1", "http://h/a.mp4;token=cret"),
        *("http://h/a%3Ftoken=cret", "rtsp://u:cret", "rtmp://h/live/cret", "http://h/a#cret", "rtsp:///u:cret@h/x"),
        *("rtsp:/u:cret@h/x", "u:cret@h/x"),
    ],
)
def test_what_may_be_secret_reaches_no_message_nor_its_cause(address: str) -> None:
    with pytest.raises(InputError) as error:
        open_video(address.replace("//h", "//127.0.0.1").replace("@h", "@127.0.0.1:9"))
    assert "cret" not in f"{error.value}{error.value.__cause__}{error.value.__context__}"


@pytest.mark.parametrize(("name", "words"), [("a.jpg", "a picture"), ("empty.mp4", "empty"), ("folder", "a folder")])
def test_what_is_no_video_is_named(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.mp4").touch()
    Image.fromarray(red_corner()).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=words):
        open_video(tmp_path / name)
