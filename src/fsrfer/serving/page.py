"""The page at ``/`` for people with a browser: files of the package under fixed addresses, and nothing else.

Which files there are is written in `FILES`; no part of an address that a client asks for is ever looked up on the disk. The
page refers to its files by relative addresses, so that it works behind a proxy under any prefix.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fsrfer.labels import EXPRESSIONS
from fsrfer.output.colours import COLOURS
from fsrfer.output.viewer import SCRIPTS

FOLDER = "/page/"
"""Of the addresses of all files but the page itself."""

OWN = ("fsrfer.serving", "static")
REPORT = ("fsrfer.output", "templates")

MODULES = (
    "answer.js",
    "camera.js",
    "dom.js",
    "live.js",
    "matching.js",
    "page.js",
    "picture.js",
    "service.js",
    "shrinking.js",
    "words.js",
)

FILES = {
    **dict.fromkeys(("index.html", "page.css", "icon.svg", *MODULES), OWN),
    **dict.fromkeys(("style.css", "viewer.css", *SCRIPTS), REPORT),
}
"""Every file of the page, and where in the package it is: its own, and those of the report's viewer."""

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
"""The page runs no text as a script, shows no picture but its own and the visitor's, and asks no other place."""

HEADERS = {"Cache-Control": "no-cache", "Content-Security-Policy": "; ".join(POLICY)}
"""Files are asked for anew each time, and sent again only if they have changed."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent: its media type, its bytes, and the tag that changes with them."""

    media_type: str
    content: bytes
    tag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "PageFile":
        """A file by its name, whose ending tells its type."""
        return cls(TYPES[name.rpartition(".")[2]], content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def answer(self, known: str) -> Response:
        """The file, or nothing (304) where one of the tags that a client knows is its own."""
        headers = {**HEADERS, "ETag": self.tag}
        if self.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.media_type)


def page_files() -> dict[str, PageFile]:
    """All files by the path at which they are asked for, read once."""
    texts = {name: files(package).joinpath(folder, name).read_bytes() for name, (package, folder) in FILES.items()}
    texts["labels.js"] = _labels().encode()
    return {_path(name): PageFile.of(name, content) for name, content in texts.items()}


def _path(name: str) -> str:
    return "/" if name == "index.html" else FOLDER + name


PATHS = frozenset(map(_path, (*FILES, "labels.js")))
"""Of the files; they are the same for everyone, and need no token."""


def page_routes() -> list[Route]:
    """A route for each file."""
    return [Route(path, _sender(file), include_in_schema=False) for path, file in page_files().items()]


def _sender(file: PageFile) -> Callable[[Request], Awaitable[Response]]:
    async def send(request: Request) -> Response:
        return file.answer(request.headers.get("if-none-match", ""))

    return send


def _labels() -> str:
    """The expressions and their colours as a module, so that there is one definition of them."""
    return f"export const EXPRESSIONS = {json.dumps(EXPRESSIONS)};\nexport const COLOURS = {json.dumps(COLOURS)};\n"
