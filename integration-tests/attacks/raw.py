"""Bytes to a server and back, and the front's own count of what it read."""

import http.client
import re
import socket
import ssl
from collections import Counter

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")
FIELD = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*\r\n)*\r\n")
COUNTED = re.compile(r'^daybook_http_requests_total\{method="[^"]*",route="([^"]*)",status="(\d+)"\} (\d+)$', re.MULTILINE)
REFUSED = re.compile(r"^daybook_http_refused_total (\d+)$", re.MULTILINE)


class Encrypted:
    """A connection over TLS of which one side may end before the other; to Python's own sockets both are one."""

    def __init__(self, connection, context):
        self._socket = connection
        self._received, self._unsent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._unsent, server_hostname="localhost")
        self._to_its_end(self._tls.do_handshake)

    def _flush(self):
        if data := self._unsent.read():
            self._socket.sendall(data)

    def _to_its_end(self, step, *arguments):
        while True:
            try:
                done = step(*arguments)
                self._flush()
                return done
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._socket.recv(65536):
                    self._received.write(data)
                else:
                    self._received.write_eof()

    def sendall(self, data):
        self._tls.write(data)
        self._flush()

    def recv(self, size):
        try:
            return self._to_its_end(self._tls.read, size)
        except ssl.SSLZeroReturnError:  # the end was announced; one that was not is a failure
            return b""

    def shutdown(self, how):
        assert how == socket.SHUT_WR
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:  # nothing was announced in return yet
            pass
        self._flush()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._socket.close()


def connect(port, seconds=20, context=None):
    """With `context` over TLS."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection if context is None else Encrypted(connection, context)


def send(connection, data, piece=None):
    """Whether all was taken; who is refused early may find the connection closed. `piece` cuts it."""
    try:
        for at in range(0, len(data), piece or len(data)):
            connection.sendall(data[at : at + (piece or len(data))])
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def read_to_end(connection):
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def answers_in(data, is_head=False):
    """(status, head, body) of each answer, interim ones too. Bytes that are none are a failure."""
    answers = []
    while data:
        line = STATUS_LINE.match(data)
        assert line, f"no answer begins here: {data[:200]!r}"
        fields = FIELD.match(data, line.end())
        assert fields, f"no header block: {data[:500]!r}"
        status, head = int(line[1]), data[: fields.end()]
        size = re.search(rb"(?i)\r\ncontent-length:[ \t]*(\d+)", head)
        bodiless = status < 200 or status in (204, 304) or (is_head and not answers)
        assert size or bodiless, f"no length: {head!r}"
        end = fields.end() + (0 if bodiless else int(size[1]))
        assert len(data) >= end, f"half an answer: {data!r}"
        answers.append((status, head, data[fields.end() : end]))
        data = data[end:]
    return answers


class Counts:
    """What the front counted since the last look, requests for /metrics left out."""

    def __init__(self, port, context=None):
        self.port = port
        self._context = context
        self._before = self._read()

    def _read(self):
        if self._context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self._context)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        statuses = Counter()
        for route, status, count in COUNTED.findall(text):
            if route != "/metrics":
                statuses[int(status)] += int(count)
        return statuses, int(REFUSED.search(text)[1])

    def since(self):
        """How many requests were answered with which status, and how many refused."""
        statuses, refused = self._read()
        return statuses - self._before[0], refused - self._before[1]

    def reset(self):
        self._before = self._read()
