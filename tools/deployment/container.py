"""Builds the image, runs it with the limits of ``compose.yaml``, asks it, looks for what it writes, and stops it under load."""

import json
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from deployment.client import Answer, CheckError, Client, expect
from fsrfer.cli.demo import bundled_portrait

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
NAME = "fsrfer-check"
USER = 10001

INSIDE = """
import json, os
def refused(act):
    try:
        act()
    except OSError as error:
        return error.strerror
    return "allowed"
status = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
connections = [line.split()[1:4] for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}").readlines()[1:]]
print(json.dumps({
    "user": os.getuid(),
    "root file": refused(lambda: open("/opt/fsrfer/x", "w")),
    "root folder": refused(lambda: os.mkdir("/x")),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no new privileges": int(status["NoNewPrivs"]),
    "temporary files": os.listdir("/tmp"),
    "torch": os.path.exists("/opt/fsrfer/lib/python3.13/site-packages/torch"),
    "begun connections": [c for c in connections if c[2] in ("01", "02") and ":1F40" not in c[0] + c[1]],
}))
"""
"""Run in the container: what its processes may do, and have done."""


def build(engine: str, base: str | None) -> None:
    """Build the image, by the Dockerfile or on another base.

    Raises:
        CheckError: the engine cannot.
    """
    print("building", flush=True)
    arguments = ["--build-arg", f"BASE={base}"] if base else []
    isolation = ["--isolation", "chroot"] if engine == "podman" else []
    _run(engine, "build", *isolation, *arguments, "--file", "deploy/Dockerfile", "--tag", NAME, ".")


def check(engine: str, port: int, more: Sequence[str] = ()) -> None:
    """Run, ask and stop the image that `build` made.

    Args:
        engine: ``docker`` or ``podman``.
        port: of this machine, to publish it at.
        more: options of the engine's ``run``.

    Raises:
        CheckError: something is not as documented.
    """
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o444)
        Path(folder).chmod(0o755)
        with _container(engine, token, port, more):
            client = Client(port, token.read_text())
            client.wait()
            _ask(client)
            _look_inside(engine)
            _stop(engine, client)


def run_options(service: dict[str, Any]) -> list[str]:
    """Options of ``docker run`` that say what a service of ``compose.yaml`` says."""
    options = [f"--user={service['user']}", f"--cpus={service['cpus']}", f"--memory={service['mem_limit']}"]
    options += [f"--memory-swap={service['memswap_limit']}", f"--pids-limit={service['pids_limit']}"]
    options += [f"--tmpfs={place}" for place in service["tmpfs"]]
    options += [f"--cap-drop={name}" for name in service["cap_drop"]]
    options += [f"--security-opt={text.removesuffix(':true')}" for text in service["security_opt"]]
    options += [f"--ulimit={name}={count}" for name, count in service["ulimits"].items()]
    return [*options, *(["--read-only"] if service["read_only"] else [])]


@contextmanager
def _container(engine: str, token: Path, port: int, more: Sequence[str]) -> Iterator[None]:
    service = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["fsrfer"]
    place = ["--volume", f"{token}:/run/secrets/fsrfer-token:ro", "--publish", f"127.0.0.1:{port}:8000"]
    try:
        _run(engine, "run", "--detach", "--name", NAME, *run_options(service), *place, *more, NAME)
        yield
    except BaseException:
        subprocess.run([engine, "logs", NAME], check=False)  # noqa: S603
        raise
    finally:
        subprocess.run([engine, "rm", "--force", NAME], check=False, capture_output=True)  # noqa: S603


def _ask(client: Client) -> None:
    photo = bundled_portrait().read_bytes()
    expect("GET /healthz", client.ask("GET", "/healthz").status, 200)
    expect("without the token", Client(client.port, "wrong").ask("GET", "/v1/info").status, 401)
    expect("by another name", Client(client.port, client.token, "other.example").ask("GET", "/v1/info").status, 421)
    answer = client.ask("POST", "/v1/predict", photo, Content_Type="image/jpeg")
    expect("POST /v1/predict", answer.status, 200)
    expect("faces in the portrait", len(answer.json()["photos"][0]["faces"]), 1)
    expect("videos are watched", _watched(client), "done")
    expect("GET /metrics", client.ask("GET", "/metrics").status, 200)


def _watched(client: Client) -> str:
    """Of a video of the portrait, half a second long."""
    import io

    import av
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as clip, Image.open(bundled_portrait()) as portrait:
        pixels = np.asarray(portrait.convert("RGB").resize((256, 300)))
        stream = clip.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 256, 300, "yuv420p"
        for _ in range(5):
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        clip.mux(stream.encode())
    job = client.ask("POST", "/v1/video", file.getvalue(), Content_Type="video/mp4").json()
    end = time.monotonic() + 60
    while job.get("status") in ("waiting", "running") and time.monotonic() < end:
        time.sleep(0.5)
        job = client.ask("GET", f"/v1/video/{job['id']}").json()
    return str(job.get("status", job))


def _look_inside(engine: str) -> None:
    """What the container may do and has written; the engine's own list of changed files leaves out what is mounted."""
    _run(engine, "exec", NAME, "python", "/opt/fsrfer/healthcheck.py")
    print("  health check: passed")
    found = json.loads(_run(engine, "exec", NAME, "python", "-c", INSIDE))
    expect("user", found["user"], USER)
    expect("a file of the image", found["root file"], "Read-only file system")
    expect("a folder in the root", found["root folder"], "Read-only file system")
    expect("capabilities", found["capabilities"], 0)
    expect("no new privileges", found["no new privileges"], 1)
    expect("files in /tmp", found["temporary files"], [])
    expect("torch is installed", found["torch"], False)
    expect("connections that it began", found["begun connections"], [])
    print(f"  memory: {_run(engine, 'stats', '--no-stream', '--format', '{{.MemUsage}}', NAME).strip()}")


def _stop(engine: str, client: Client) -> None:
    """While photos are being looked at, so that their answers are known to come."""
    photo, answers = bundled_portrait().read_bytes(), list[Answer | OSError]()

    def ask() -> None:
        try:
            answers.append(client.ask("POST", "/v1/predict", photo, Content_Type="image/jpeg"))
        except OSError as error:
            answers.append(error)

    clients = [threading.Thread(target=ask) for _ in range(6)]
    for thread in clients:
        thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    _run(engine, "stop", "--time", "40", NAME)
    seconds = time.monotonic() - began
    for thread in clients:
        thread.join()
    expect("answers to what was under way", [getattr(answer, "status", answer) for answer in answers], [200] * 6)
    expect("exit code", _run(engine, "inspect", "--format", "{{.State.ExitCode}}", NAME).strip(), "0")
    if seconds > 39:
        raise CheckError(f"it did not stop by itself within {seconds:.0f} s")
    print(f"  seconds to stop: {seconds:.1f}")


def _run(*command: str) -> str:
    """What a command says on standard output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CheckError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
