"""The page's files: fixed addresses, right types, tags, a strict policy, nothing from elsewhere."""

import re
from importlib.resources import files

import pytest
from starlette.testclient import TestClient

from fsrfer.serving.page import FILES, PATHS, page_files

LARGEST = 150_000
"""Bytes of all files together, so that the page is there at once."""


@pytest.mark.parametrize("path", sorted(PATHS))
def test_each_file_is_sent_without_a_token_and_not_twice(client: TestClient, path: str) -> None:
    response = client.get(path, headers={"Authorization": ""})
    assert (response.status_code, response.content) == (200, page_files()[path].content)
    kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}.get(
        path.rpartition(".")[2], "text/html"
    )
    assert response.headers["content-type"].startswith(kind)
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    again = client.get(path, headers={"If-None-Match": f'"old", W/{response.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/page/", "/page/index.html", "/page/..%2fapp.py", "/page/%2e%2e/app.py"])
def test_there_are_no_other_files(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_policy_allows_nothing_but_files_of_the_service(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|data:|\*", policy)


def test_every_file_of_the_folder_is_in_the_table() -> None:
    assert {file.name for file in files("fsrfer.serving").joinpath("static").iterdir()} <= set(FILES)


def test_addresses_are_relative_and_nothing_is_inline() -> None:
    texts = {path: file.content.decode() for path, file in page_files().items()}
    assert sum(map(len, texts.values())) < LARGEST
    page = texts["/"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(f"/{name}" in texts for name in named if name.startswith("page/"))
    assert not [name for name in named if name.startswith(("/", "http", "//"))]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", page)
    for path, text in texts.items():
        told = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage|sessionStorage|cookie", told
        ), path
        assert all(f"/page/{name}" in texts for name in re.findall(r'from "\./([^"]+)"', text)), path
