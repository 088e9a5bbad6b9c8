"""Whatever is wrong with an input: the right result or one clear line, the others done, and exit code 2."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fsrfer.cli.main import main
from support.toy_model import toy_bytes

Command = Callable[..., tuple[int, list[dict[str, Any]], list[str]]]

GOOD = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def run(toy: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Runs a command with JSON output; gives the exit code, the objects on stdout, the lines on stderr."""

    def command(name: str, *arguments: object) -> tuple[int, list[dict[str, Any]], list[str]]:
        code = main([name, *map(str, arguments), "--format", "json", "--model", str(toy), "--threads", "1"])
        out, err = capfdbinary.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err.decode().splitlines()

    return command


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    Image.fromarray(GOOD).save(path)
    return path


def png_header_of(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def truncated(path: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:2000])


BROKEN: dict[str, Callable[[Path], object]] = {
    "missing.jpg": lambda path: None,
    "empty.jpg": lambda path: path.touch(),
    "truncated.jpg": truncated,
    "text.jpg": lambda path: path.write_text("no picture"),
    "document.pdf": lambda path: path.write_bytes(b"%PDF-1.4\n"),
    "program.eps": lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "bomb.png": lambda path: path.write_bytes(png_header_of(20_000, 20_000)),
    "zero.png": lambda path: path.write_bytes(png_header_of(0, 0)),
    "folder.jpg": lambda path: path.mkdir(),
    "dangling.jpg": lambda path: path.symlink_to("nowhere.jpg"),
    "loop.jpg": lambda path: path.symlink_to(path),
    "pipe.jpg": os.mkfifo,
    "顔 é.jpg": lambda path: path.write_bytes(b"\xff\xd8\xff"),
    "two\nlines.jpg": lambda path: None,
    "*.none": lambda path: None,
}


@pytest.mark.parametrize("command", ["predict", "classify"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_an_error_and_the_rest_is_done(
    run: Command, good: Path, tmp_path: Path, command: str, name: str
) -> None:
    BROKEN[name](tmp_path / name)
    code, results, complaints = run(command, tmp_path / name, good)
    assert code == 2
    assert len(complaints) == 1
    assert complaints[0].startswith("fsrfer: ")
    broken, fine = results
    assert broken.get("source", broken.get("file")) == str(tmp_path / name)
    assert isinstance(broken["error"], str)
    assert fine["error"] is None


def test_a_bomb_is_refused_before_it_is_decoded(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header_of(20_000, 20_000))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    _, (result,), _ = run("predict", tmp_path / "bomb.png")
    assert "megapixels" in result["error"]


def saved(path: Path, mode: str, **options: Any) -> Path:
    Image.fromarray(GOOD).convert(mode).save(path, **options)
    return path


def deep_grey(path: Path) -> Path:
    Image.fromarray(GOOD[:, :, 0].astype(np.uint16) * 257).save(path)
    return path


def animated(path: Path) -> Path:
    frames = [Image.fromarray(np.full((40, 60), shade, np.uint8)) for shade in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


UNUSUAL: dict[str, Callable[[Path], object]] = {
    "deep.png": deep_grey,
    "deep.tiff": deep_grey,
    "cmyk.jpg": lambda path: saved(path, "CMYK"),
    "palette.png": lambda path: saved(path, "P"),
    "alpha.png": lambda path: saved(path, "RGBA"),
    "grey.jpg": lambda path: saved(path, "L"),
    "grey-alpha.png": lambda path: saved(path, "LA"),
    "bilevel.png": lambda path: saved(path, "1"),
    "animated.gif": animated,
    "animated.webp": animated,
    "顔 fête.png": lambda path: saved(path, "RGB"),
    "suffixless": lambda path: saved(path, "RGB", format="PNG"),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_pictures_are_pictures(run: Command, tmp_path: Path, name: str) -> None:
    UNUSUAL[name](tmp_path / name)
    code, (photo,), complaints = run("predict", tmp_path / name)
    assert (code, complaints, photo["error"]) == (0, [], None)
    assert (photo["width"], photo["height"], photo["source"]) == (60, 40, str(tmp_path / name))
    code, (crop,), _ = run("classify", tmp_path / name)
    assert (code, crop["error"], crop["size_px"]) == (0, None, 40)


def test_a_rotated_photo_is_seen_upright(run: Command, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(tmp_path / "rotated.jpg", "RGB", exif=exif)
    _, (photo,), _ = run("predict", tmp_path / "rotated.jpg")
    assert (photo["width"], photo["height"]) == (40, 60)


def test_a_single_pixel_has_no_face_and_no_certain_expression(run: Command, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    code, (photo,), _ = run("predict", tmp_path / "dot.png")
    assert (code, photo["faces"], photo["error"]) == (0, [], None)
    code, (crop,), _ = run("classify", tmp_path / "dot.png")
    assert (code, crop["certain"], crop["size_px"]) == (0, False, 1)


def test_a_folder_with_nothing_in_it_is_an_error(run: Command, good: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing" / "inner").mkdir(parents=True)
    (tmp_path / "nothing" / "notes.txt").write_text("no picture")
    code, results, complaints = run("predict", tmp_path / "nothing", good)
    assert code == 2
    assert [result["error"] is None for result in results] == [False, True]
    assert "no pictures" in complaints[0]


@pytest.mark.parametrize(
    ("box", "error"),
    [([70, 5, 90, 30], "box 0"), ([5, 5, 5, 30], "box 0"), ([-20, -20, 0, 0], "box 0"), ([30, 10, 99, 99], None)],
)
def test_boxes_outside_the_picture(
    run: Command, good: Path, tmp_path: Path, box: list[float], error: str | None
) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps({"good.png": [box]}))
    code, (photo,), complaints = run("predict", good, "--boxes", tmp_path / "boxes.json")
    if error is None:
        assert (code, complaints) == (0, [])
        assert [face["box"] for face in photo["faces"]] == [[30, 10, 60, 40]]
    else:
        assert (code, len(complaints), photo["faces"]) == (2, 1, [])
        assert error in photo["error"]
        assert (photo["width"], photo["height"]) == (60, 40)


def test_a_photo_without_boxes_of_its_own_is_an_error_not_silence(run: Command, good: Path, tmp_path: Path) -> None:
    Image.fromarray(GOOD).save(tmp_path / "other.png")
    (tmp_path / "boxes.csv").write_text("source,x1,y1,x2,y2\ngood.png,5,5,30,35\n")
    code, results, complaints = run("predict", good, tmp_path / "other.png", "--boxes", tmp_path / "boxes.csv")
    assert (code, len(complaints)) == (2, 1)
    assert [len(photo["faces"]) for photo in results] == [1, 0]
    assert "other.png" in results[1]["error"]


@pytest.mark.parametrize("kind", ["missing", "empty", "picture", "changed", "truncated", "folder"])
@pytest.mark.parametrize("option", ["--model", "--detector"])
def test_a_model_that_is_none_is_one_line(
    good: Path, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, kind: str
) -> None:
    model, data = tmp_path / "mine.onnx", toy_bytes()
    contents = {
        "empty": b"",
        "picture": good.read_bytes(),
        "changed": data[:-9] + b"123456789",
        "truncated": data[:400],
    }
    if kind == "folder":
        model.mkdir()
    elif kind in contents:
        model.write_bytes(contents[kind])
    arguments = {"--model": toy, option: model}
    code = main(["predict", str(good), *(str(word) for pair in arguments.items() for word in pair)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("fsrfer: error: ")
    assert str(model) in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threads", "0"], ["--threads", "-1"], ["--threads", "two"], ["--min-face", "-1"], ["--min-face", "nan"],
        ["--format", "xml"], ["--boxes", "none.json"], ["-o", "/proc/none/out.csv"], ["--annotate", "/proc/none"],
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_line(
    good: Path, toy: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    try:
        code = main(["predict", str(good), "--model", str(toy), *arguments])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    err = capsys.readouterr().err
    assert err.startswith("fsrfer: error: ")
    assert err.count("\n") == 1


def test_ctrl_c_leaves_no_half_written_file(toy: Path, tmp_path: Path) -> None:
    first = tmp_path / "000.bmp"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)).save(first)
    for number in range(1, 800):  # so many that it is never done when the signal comes
        (tmp_path / f"{number:03}.bmp").hardlink_to(first)
    out = tmp_path / "out"
    # A shell that runs the tests in the background has its children ignore Ctrl-C; this one must hear it.
    heard = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from fsrfer.cli.main import main"
    )
    command = [
        sys.executable,
        "-c",
        f"{heard}; sys.exit(main())",
        "predict",
        str(tmp_path),
        "-o",
        str(out / "all.json"),
    ]
    process = subprocess.Popen(
        [*command, "--model", str(toy), "--threads", "1", "--annotate", str(out / "drawn")], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any((out / "drawn").glob("[!.]*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().count("\n") == 1
    assert [path.name for path in out.glob("*.*") if path.name[0] != "."] == ["all.json.progress"]
    assert [path.name for path in out.glob(".*")] == []
    assert [path.name for path in (out / "drawn").glob(".*")] == []
    for drawing in (out / "drawn").iterdir():
        Image.open(drawing).load()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--threads", "0"], "must be a whole number of 1 or more"),
        (["--factors", "1,8-6"], "expected numbers and ranges"),
        (["--factors", "0-3"], "between 1 and 64"),
        (["--factors", "1-999999999999"], "between 1 and 64"),
        (["--factors", "65"], "between 1 and 64"),
        (["--factors", ""], "expected numbers and ranges"),
    ],
)
def test_wrong_options_of_evaluate_are_one_line(
    toy: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    try:
        code = main(["evaluate", str(toy), "--data", "folder=faces", *arguments])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
