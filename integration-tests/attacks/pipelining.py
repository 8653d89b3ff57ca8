"""Requests sent ahead of their answers: thousands in seconds, over few connections."""

import json
import re
import uuid
from dataclasses import dataclass, field

from harness.bounds import within
from raw import connect

# The server reads no more of a connection that is owed 16 answers: with fewer neither side ever waits for the other.
AHEAD = 12
CHUNKED = "chunked"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict = field(default_factory=dict)
    body: object = None

    def __str__(self):
        return f"{self.method} {self.path}"

    @property
    def is_last(self):
        """Whether its answer comes as a stream, which is its connection's last."""
        return self.path.partition("?")[0].endswith(("/stream", "/export"))

    def encoded(self):
        text = b"" if self.body is None else json.dumps(self.body).encode()
        fields = {"Host": "daybook.test"} | self.headers
        if self.method != "GET":
            fields |= {"Content-Length": len(text)}
            fields.setdefault("Idempotency-Key", uuid.uuid4())
        if text:
            fields["Content-Type"] = "application/json"
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + text


@dataclass
class Answer:
    request: Request
    status: int
    headers: dict  # names in lower case; of several fields of a name the last
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """Of a problem; None: it is none."""
        return self.json()["code"] if self.headers.get("content-type") == "application/problem+json" else None

    @property
    def text(self):
        """All that it says, in its head as well."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers.items()) + "\n" + self.body.decode()

    def __str__(self):
        return f"{self.request} is {self.status} {self.body[:300].decode(errors='replace')}"


def _read_chunks(file):
    body = b""
    while size := int(file.readline(), 16):
        body += file.read(size)
        assert file.readline() == b"\r\n"
    assert file.readline() == b"\r\n"
    return body


def _read_first_event(file):
    """Of a stream: up to its first document."""
    lines = []
    while not lines or not lines[-1].startswith(b"data:"):
        lines.append(file.readline())
        assert lines[-1], f"the stream ended: {lines}"
    return b"".join(lines)


def _read_answer(file, request):
    line = file.readline()
    status = re.fullmatch(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r\n", line)
    assert status, f"{request}: no answer begins with {line!r}"
    headers = {}
    while (line := file.readline()) != b"\r\n":
        assert line, f"{request}: the answer ends in its head"
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("content-type", "").startswith("text/event-stream"):
        body = _read_first_event(file)
    elif headers.get("transfer-encoding") == CHUNKED:
        body = _read_chunks(file)
    else:
        body = file.read(int(headers.get("content-length", 0)))
    return Answer(request, int(status[1]), headers, body)


def _converse_on_one(port, requests):
    answers = []
    with connect(port, within(60)) as connection, connection.makefile("rb") as file:
        for at in range(0, len(requests), AHEAD):
            ahead = requests[at : at + AHEAD]
            connection.sendall(b"".join(request.encoded() for request in ahead))
            answers += [_read_answer(file, request) for request in ahead]
    return answers


def converse(port, requests):
    """The answer to each, in their order. Those that are under way together take effect in any order."""
    at_once = [request for request in requests if not request.is_last]
    answers = iter(_converse_on_one(port, at_once))
    return [_converse_on_one(port, [request])[0] if request.is_last else next(answers) for request in requests]
