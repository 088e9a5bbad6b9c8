"""A hub of models on this machine: as much of the Hugging Face hub as fetching and pushing ask for, in memory."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class FakeHub:
    """Repositories, each with its commits, the newest last; and all requests, with their headers."""

    def __init__(self) -> None:
        self.private: dict[str, bool] = {}
        self.commits: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.url = ""

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        told = json.dumps([[name, hashlib.sha256(content).hexdigest()] for name, content in sorted(files.items())])
        number = len(self.commits[repository])
        commit = hashlib.sha1(f"{number}{told}".encode(), usedforsecurity=False).hexdigest()
        self.commits[repository].append((commit, files))
        return commit

    def state(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commits = self.commits[repository]
        return commits[-1] if revision == "main" else next((one for one in commits if one[0] == revision), None)


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A hub that listens at ``hub.url`` within the block."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._file()

        def do_GET(self) -> None:
            found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self._path())
            if not found:
                return self._file()
            repository, revision = found[1], found[2] or "main"
            if repository not in hub.commits:
                return self._answer(404, {}, {"X-Error-Code": "RepoNotFound"})
            commit, files = hub.state(repository, revision) or ("", {})
            told = {"id": repository, "sha": commit, "private": hub.private[repository]}
            return self._answer(200, {**told, "siblings": [{"rfilename": name} for name in files]})

        def do_POST(self) -> None:
            path, body = self._path(), self.rfile.read(int(self.headers["Content-Length"]))
            if path == "/api/repos/create":
                asked = json.loads(body)
                repository = f"{asked['organization']}/{asked['name']}"
                hub.private[repository] = asked.get("visibility") == "private"
                hub.commits[repository] = []
                hub.commit(repository, {})
                return self._answer(200, {"url": f"{hub.url}/{repository}"})
            if path == "/api/validate-yaml":
                return self._answer(200, {"errors": [], "warnings": []})
            repository, action = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", path).groups()
            if action == "preupload":
                names = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
                return self._answer(200, {"files": modes})
            files = dict(hub.commits[repository][-1][1])
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                if line["key"] == "deletedFile":
                    del files[line["value"]["path"]]
            commit = hub.commit(repository, files)
            told = {"success": True, "commitOid": commit, "commitUrl": f"{hub.url}/{repository}/commit/{commit}"}
            return self._answer(200, told)

        def _file(self) -> None:
            found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._path())
            if not found or found[1] not in hub.commits:
                return self._answer(404, {}, {"X-Error-Code": "RepoNotFound"})
            state = hub.state(found[1], found[2])
            if state is None:
                return self._answer(404, {}, {"X-Error-Code": "RevisionNotFound"})
            commit, files = state
            if found[3] not in files:
                return self._answer(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            content = files[found[3]]
            etag = hashlib.sha256(content).hexdigest()
            return self._answer(200, content, {"X-Repo-Commit": commit, "ETag": f'"{etag}"'})

        def _path(self) -> str:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("User-Agent", "")))
            return path

        def _answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    return Handler
