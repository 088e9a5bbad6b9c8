"""``python tools/fuzz_service.py``: a running service against its own OpenAPI document, by schemathesis.

Run with ``make fuzz-service``. Requests that the document allows are sent, and such that it does not, with small real pictures
of every format, bombs and files of two kinds; each answer must have a documented status, media type, schema and headers, and be
no fault. Further options go to ``schemathesis run``.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from service_process import service

TOOLS = Path(__file__).parent


LIMITS = ("--max-megapixels", "2", "--max-upload", "1", "--workers", "1", "--model", "fast", "--detector", "fast")


def main() -> int:
    """Start a service, and let it be asked; the exit status of schemathesis."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200, metavar="N", help="of each route (%(default)s)")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), options.examples, more)


def run(folder: Path, examples: int, more: Sequence[str] = ()) -> int:
    """The exit status of schemathesis against a service with a token; what it found is kept in a folder."""
    token = secrets.token_hex(16)
    (folder / "token").write_text(token, encoding="ascii")
    with service(*LIMITS, "--token-file", str(folder / "token")) as server:
        address, settings = f"http://127.0.0.1:{server.port}/openapi.json", str(TOOLS / "schemathesis.toml")
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", settings, "run", address, "--no-color"]
        asked = ["--max-examples", str(examples), "--header", f"Authorization: Bearer {token}", *more]
        surroundings = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "schemathesis_pictures",
            "PYTHONPATH": os.pathsep.join([str(TOOLS), os.environ.get("PYTHONPATH", "")]),
        }
        return subprocess.run([*command, *asked], cwd=folder, env=surroundings, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
