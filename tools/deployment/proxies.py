"""Runs nginx or Caddy with the file in ``deploy`` before a service, and sends what a proxy may spoil."""

import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from websockets.sync.client import connect

from deployment.client import Client, expect

DEPLOY = Path(__file__).parents[2] / "deploy"
MIB = 2**20
HARMLESS = re.compile(r'"(/dev/null|[^"]*\.(log|pid|lock|json|key|crt|tmp|sst|uuid)|[^"]*instance\.uuid|[^"]*/caddy/[^"]*)"')
"""Files that a proxy may open for writing: logs, its number, its certificates."""


def check(proxy: str, port: int) -> None:
    """Try a proxy.

    Raises:
        CheckError: something is not as documented.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "token").write_text(secrets.token_hex(32))
        begin: Callable[[Path, int, int, int], list[str]] = {"nginx": nginx, "caddy": caddy}[proxy]
        tls = ssl.create_default_context()
        make_certificate(folder)
        command = begin(folder, port, port + 1, port + 2)
        served = [sys.executable, "-m", "fsrfer.cli.main", "serve", "--port", str(port), "--token-file", f"{folder}/token"]
        running.enter_context(process(served, folder / "service.log"))
        Client(port, (folder / "token").read_text()).wait()
        calls = folder / "calls.log"
        traced = ["strace", "-f", "-qq", "-e", "trace=open,openat,creat", "-o", str(calls), *command]
        running.enter_context(process(traced, folder / "proxy.log", {"XDG_DATA_HOME": name, "XDG_CONFIG_HOME": name}))
        authority = folder / "cert.pem" if proxy == "nginx" else folder / "caddy/pki/authorities/local/root.crt"
        _until(authority.exists)
        tls.load_verify_locations(authority)
        client = Client(port + 1, (folder / "token").read_text(), f"localhost:{port + 1}", tls)
        client.wait()
        ask(client)
        expect("files written besides logs and certificates", written(calls.read_text()), [])


def nginx(folder: Path, service: int, tls: int, plain: int) -> list[str]:
    """The command of nginx with the documented file, its name, ports and places changed."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    changes = {
        "127.0.0.1:8000": f"127.0.0.1:{service}",
        "listen 443": f"listen {tls}",
        "listen [::]:443": f"listen [::1]:{tls}",
        "listen 80;": f"listen {plain};",
        "listen [::]:80;": f"listen [::1]:{plain};",
        "faces.example.org": "localhost",
        "/etc/ssl/fsrfer/fullchain.pem": f"{folder}/cert.pem",
        "/etc/ssl/fsrfer/privkey.pem": f"{folder}/key.pem",
        "/var/log/nginx": str(folder),
    }
    (folder / "fsrfer.conf").write_text(_changed(text, changes))
    places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 2; user {_user()};"
        f"events {{}} http {{ {places} include {folder}/fsrfer.conf; }}"
    )
    return ["nginx", "-c", f"{folder}/nginx.conf"]


def caddy(folder: Path, service: int, tls: int, plain: int) -> list[str]:
    """The command of Caddy with the documented file; it makes its own certificate for localhost."""
    text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    changes = {
        "admin off": f"admin off\n\tskip_install_trust\n\thttp_port {plain}",
        "{$FSRFER_HOST:localhost}": f"localhost:{tls}",
        "{$FSRFER_UPSTREAM:127.0.0.1:8000}": f"127.0.0.1:{service}",
    }
    (folder / "Caddyfile").write_text(_changed(text, changes))
    return ["caddy", "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def ask(client: Client) -> None:
    """Large, chunked, slow and live requests through a proxy."""
    photo = picture_of(19 * MIB)
    expect("GET /healthz", client.ask("GET", "/healthz").status, 200)
    expect("GET /metrics is for the inside", client.ask("GET", "/metrics").status, 404)
    for what, body in {"at once": photo, "in chunks": (photo[at : at + MIB] for at in range(0, len(photo), MIB))}.items():
        answer = client.ask("POST", "/v1/predict", body, Content_Type="image/bmp")
        expect(f"a picture of {len(photo) / MIB:.0f} MiB {what}", answer.status, 200)
    own = {"Origin": f"https://{client.name}", "Content-Type": "image/bmp"}
    expect("from a page of its own", client.ask("POST", "/v1/predict", photo, **own).status, 200)
    own["Origin"] = "https://other.example"
    expect("from a page of others", client.ask("POST", "/v1/predict", b"x", **own).status, 403)
    answer = client.ask("POST", "/v1/predict", bytes(20 * MIB + 1), Content_Type="image/bmp")
    expect("20 MiB and a byte", answer.status, 413)
    expect("by whom it is told", answer.json()["type"], "urn:fsrfer:problem:too-large")
    expect("30 MiB", client.ask("POST", "/v1/predict", bytes(30 * MIB), Content_Type="image/bmp").status, 413)
    job = client.ask("POST", "/v1/video", bytes(30 * MIB))
    expect("a video of 30 MiB", job.status, 202)
    expect("the end of its job", client.ask("DELETE", f"/v1/video/{job.json()['id']}").status, 204)
    began = time.monotonic()
    expect("a head without a body and with a wrong token", client.head_only("/v1/predict", 19 * MIB).status, 401)
    expect("answered before the body is there", time.monotonic() - began < 5, True)
    live(client)


def live(client: Client) -> None:
    """Two frames through a WebSocket."""
    frame = picture_of(30_000, "JPEG")
    address, headers = f"wss://localhost:{client.port}/v1/live", {"Authorization": f"Bearer {client.token}"}
    with connect(address, ssl=client.tls, additional_headers=headers, proxy=None) as session:
        expect("a live session is ready", '"ready": true' in str(session.recv(30)).replace('":true', '": true'), True)
        for number in (1, 2):
            session.send(frame)
            expect("a live frame is answered", f'"frame":{number}' in str(session.recv(30)).replace(" ", ""), True)


def picture_of(size: int, kind: str = "BMP") -> bytes:
    """A picture of noise, of about so many bytes as a BMP."""
    side = int((size / 3) ** 0.5) // 4 * 4
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def written(calls: str) -> list[str]:
    """Of the files that system calls opened, those for writing that are no logs and no certificates."""
    opened = [line for line in calls.splitlines() if "O_WRONLY" in line or "O_RDWR" in line or " creat(" in line]
    return [line for line in opened if " = -1 " not in line and not HARMLESS.search(line)]


def make_certificate(folder: Path) -> None:
    """For localhost, signed by itself: ``cert.pem`` and ``key.pem``."""
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-days", "2"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *name], check=True, capture_output=True)


@contextmanager
def process(command: Sequence[str], log: Path, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """A program that runs within the block, and what it says in a file, which is shown when something goes wrong."""
    with log.open("wb") as sink:
        started = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, **(more or {})}, start_new_session=True)
    try:
        yield
    except BaseException:
        print(f"{command[0]} said: {log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise
    finally:
        os.killpg(started.pid, signal.SIGTERM)  # strace passes no signal on
        started.wait(60)


def _changed(text: str, changes: Mapping[str, str]) -> str:
    """A file's text with places changed, each of which must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _user() -> str:
    return "root" if os.getuid() == 0 else str(os.environ.get("USER", "nobody"))


def _until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not there() and time.monotonic() < end:
        time.sleep(0.1)
