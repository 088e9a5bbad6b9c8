"""What hostile clients upload: damaged pictures and forms, bombs of pixels, files of two kinds."""

import functools
import io
import logging
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image
from starlette.testclient import TestClient

from fsrfer.serving.app import guarded
from fsrfer.serving.service import Service
from fsrfer.serving.settings import ServiceSettings
from fuzzing import pictures

SUFFIX = ".upload"

BOUNDARY = "7f3a"

EXPECTED = {200, 400, 413, 415, 422}
"""Answers to what a client may send."""


def seeds(folder: Path) -> list[bytes]:
    """Pictures, forms, bombs and polyglots."""
    whole = pictures.seeds(folder)
    forms = [_form(whole[:1]), _form(whole[:3]), _form([b""]), _form([])]
    return [*whole, *forms, *_bombs(), *_polyglots(whole[0])]


def attempt(data: bytes, _path: Path) -> None:
    """Send an upload to a service of this process.

    Raises:
        AssertionError: an answer that no client may get, or a worker that died.
    """
    service, client = _served()
    kind = f"multipart/form-data; boundary={BOUNDARY}" if data.startswith(b"--") else "application/octet-stream"
    route = "/v1/classify" if len(data) % 4 == 0 else "/v1/predict"
    before = service.pool.lost
    response = client.post(route, content=data, headers={"Content-Type": kind})
    assert response.status_code in EXPECTED, f"{response.status_code}: {response.text}"
    assert response.status_code == 200 or "\n" not in response.json()["detail"], response.text
    assert service.pool.lost == before, "a worker died"
    assert service.admission.held == service.admission.under_way == 0, "memory is still held"


@functools.cache
def _served() -> tuple[Service, TestClient]:
    """A service with one worker, until the process ends."""
    logging.disable()
    service = Service(ServiceSettings(model="fast", detector="fast", workers=1, max_pixels=2_000_000, max_upload=2**20))
    client = TestClient(guarded(service), base_url="http://localhost", raise_server_exceptions=False)
    client.__enter__()
    return service, client


def _form(files: list[bytes]) -> bytes:
    head = 'Content-Disposition: form-data; name="picture"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    parts = [f"--{BOUNDARY}\r\n{head}".encode() + file + b"\r\n" for file in files]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def _bombs() -> list[bytes]:
    """Few bytes that are, or say they are, very many pixels."""
    text = b"Comment\0\0" + zlib.compress(bytes(9_000_000))
    return [
        _png(60_000, 60_000, b"\0" * 1000),
        _png(2**31 - 1, 2**31 - 1, b"\0"),
        _png(10_000, 10_000, bytes(1251 * 10_000)),
        _png(1400, 1400, bytes(176 * 1400)),
        _png(8, 8, bytes(16), _chunk(b"zTXt", text)),
        b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, -60_000, 1, 24, 0, 0, 1, 1, 0, 0),
        _tiff(60_000, 60_000),
        b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0",
    ]


def _polyglots(picture: bytes) -> list[bytes]:
    """Files that are of two kinds, or of another than a picture's."""
    archive = io.BytesIO(picture)
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a") as zipped:
        zipped.writestr("a.html", "<script>alert(1)</script>")
    script = io.BytesIO()
    Image.new("P", (10799, 10)).save(script, "GIF")
    return [
        archive.getvalue(),
        script.getvalue() + b"*/=1;alert(1)//",
        picture + b"<html><script>alert(1)</script></html>",
        b"%PDF-1.4\n" + picture,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file 99 string readstring\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"#EXTM3U\nfile:///etc/passwd\n",
        picture[:2] + b"\xff\xe1\xff\xff" + picture[2:],
    ]


def _png(width: int, height: int, rows: bytes, *more: bytes) -> bytes:
    """A black-and-white PNG."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [_chunk(b"IHDR", head), *more, _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _tiff(width: int, height: int) -> bytes:
    """A TIFF whose only strip lies at its beginning."""
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, width * height % 2**32)]
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4)
