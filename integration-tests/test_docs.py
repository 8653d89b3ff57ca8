"""/docs and /docs/events: tables that need no JavaScript, and where a renderer is installed, what shows them better."""

import re
import subprocess
from pathlib import Path

import httpx
import pytest
from harness.daybook import BINARY
from harness.processes import clean_environment
from harness.stack import ROOT

RENDERER = "/docs/renderer.js"
PAGES = {"/docs": "/openapi.json", "/docs/events": "/asyncapi.json"}
INSTALLED = ROOT / "var" / "docs"


@pytest.fixture
def rendered(new_daybook):
    return new_daybook(docs_dir=INSTALLED)


def policy_of(answer):
    return dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))


def test_without_a_renderer_the_pages_are_plain_tables(daybook, client):
    document = client.expect(200, client.http.get("/openapi.json"))
    events = client.expect(200, client.http.get("/asyncapi.json"))["components"]["messages"]
    page = client.http.get("/docs")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    for path, item in document["paths"].items():
        for operation in item.values():
            assert f"<code>{path}</code>" in page.text and operation["summary"] in page.text
    told = client.http.get("/docs/events").text
    for name, message in events.items():
        assert f"<code>{name}</code>" in told and f"/registry/schemas/ids/{message['x-schema-id']}" in told
    for text in (page.text, told):
        assert "<script" not in text and "<noscript" not in text and "<redoc" not in text
    assert client.http.get(RENDERER).status_code == 404


def test_with_a_renderer_the_pages_show_it_and_stay_good_without_javascript(rendered):
    with rendered.client() as client:
        for path, document in PAGES.items():
            page = client.http.get(path)
            assert f'spec-url="{document}"' in page.text
            assert re.findall(r'src="([^"]*)"', page.text) == [RENDERER]
            without = re.search(r"<noscript>(.*)</noscript>", page.text, re.DOTALL).group(1)
            assert "<table>" in without


def test_no_page_may_load_or_run_anything_else(rendered):
    with rendered.client() as client:
        for path in PAGES:
            page = client.http.get(path)
            policy = policy_of(page)
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == policy["connect-src"] == "'self'"
            assert "http" not in page.headers["content-security-policy"]
            assert page.headers["x-content-type-options"] == "nosniff"
            assert not re.findall(r"(?:src|href|spec-url)=\"(?!/)", page.text), "an address of another host"
            assert not re.findall(r"<script(?![^>]* src=)|\son\w+=", page.text), "a script of the page's own"


def test_the_renderer_is_served_whole_and_told_to_be_known(rendered):
    with rendered.client() as client:
        whole = client.http.get(RENDERER)
        assert whole.status_code == 200
        assert whole.content == (INSTALLED / "redoc.standalone.js").read_bytes()
        assert whole.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "max-age" in whole.headers["cache-control"]
        known = client.http.get(RENDERER, headers={"If-None-Match": whole.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        assert client.http.get(RENDERER, headers={"If-None-Match": '"another"'}).status_code == 200
        assert client.http.head(RENDERER).headers["content-length"] == str(len(whole.content))


def test_no_other_file_is_served(rendered):
    for path in ("/docs/redoc.standalone.js", "/docs/..", "/docs/../secret", "/docs/%2e%2e%2fsecret", "/docs/renderer.js/x"):
        # As it stands: httpx would tidy it up.
        request = httpx.Request("GET", rendered.url, extensions={"target": path.encode()})
        with httpx.Client() as client:
            assert client.send(request).status_code in (400, 404), path


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_a_folder_without_a_renderer_is_refused_at_the_start(daybook, tmp_path, content):
    if content is not None:
        (tmp_path / "redoc.standalone.js").write_bytes(content)
    refused = start_to_its_end(daybook, tmp_path)
    assert "docs_dir" in refused and "redoc.standalone.js" in refused


def start_to_its_end(daybook, folder: Path):
    """What a front says that does not begin."""
    more = {"docs_dir": folder, "http_port": 0, "data_dir": folder / "data"}
    ended = subprocess.run(
        [BINARY, "serve", "--role", "gateway"],
        env=clean_environment(daybook.environment(more)),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode != 0
    return ended.stdout + ended.stderr
