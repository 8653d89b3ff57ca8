"""nginx and haproxy before the front, in front of whom attacks are made; their logs say what they meant to pass on.

`plain` is as the packages' manuals have it; `lenient` lets as much through as the proxy can be told to. One process and one
thread each, and upstream connections that are kept and shared: what is left over on one of them meets the next client.
"""

import re
import socket
from typing import NamedTuple

from harness.ports import free_port
from harness.processes import Process


class Passed(NamedTuple):
    status: int  # what the client was told
    upstream: int | None  # what the front answered, None when it did not
    is_passed: bool  # the proxy began to send it on
    request: str


NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.error.log warn;
events {{ worker_connections 4096; }}
http {{
    log_format passed '$status|$upstream_status|$request';
    access_log {directory}/nginx.passed.log passed;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 400ms; lingering_timeout 200ms; client_max_body_size 32m;
    upstream front {{ server 127.0.0.1:{front}; keepalive 1; }}
    {http}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://front; proxy_http_version 1.1; proxy_next_upstream off; proxy_read_timeout 20s;
            {location}
        }}
    }}
}}
"""
NGINX_KINDS = {
    "plain": ("", 'proxy_set_header Connection "";'),
    "lenient": (
        "ignore_invalid_headers off; underscores_in_headers on; merge_slashes off; large_client_header_buffers 8 32k;",
        # Web sockets are passed on like this, and with them whatever a client writes into these two.
        "proxy_request_buffering off; proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;"
        " proxy_set_header Connection $http_connection;",
    ),
}

HAPROXY = """
global
    nbthread 1
    maxconn 4000
    log stdout format raw local0
defaults
    mode http
    log global
    log-format "%ST|%ts|%s|%r"
    option log-separate-errors
    timeout connect 5s
    timeout client 1s
    timeout server 5s
    timeout http-request 1s
    timeout http-keep-alive 400ms
    retries 0
frontend outside
    bind 127.0.0.1:{port}
    {frontend}
    default_backend front
backend front
    http-reuse always
    server daybook 127.0.0.1:{front}
"""
HAPROXY_KINDS = {"plain": "", "lenient": "option accept-invalid-http-request"}


class Proxy:
    """`with` starts and stops it."""

    def __init__(self, name, kind, front, directory):
        self.port = free_port()
        self._read = 0
        if name == "nginx":
            http, location = NGINX_KINDS[kind]
            text = NGINX.format(directory=directory, front=front, port=self.port, http=http, location=location)
            self._parse, log = _nginx_line, "nginx.passed.log"
            command = ["nginx", "-p", directory, "-c", directory / "nginx.conf"]
        else:
            text = HAPROXY.format(front=front, port=self.port, frontend=HAPROXY_KINDS[kind])
            self._parse, log = _haproxy_line, "haproxy.log"
            command = ["haproxy", "-db", "-f", directory / "haproxy.conf"]
        (directory / f"{name}.conf").write_text(text)
        self._log = directory / log
        self._process = Process(name, command, directory / f"{name}.log")

    def __enter__(self):
        self._process.start()
        self._process.wait_ready(self._listens)
        return self

    def __exit__(self, *_):
        self._process.stop()

    def _listens(self):
        socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        return True

    def is_running(self):
        return self._process.is_running()

    def forget(self):
        """What was logged until now is of no interest."""
        self._read = len(self._log.read_bytes()) if self._log.exists() else 0

    def passed(self):
        """What the log says since then."""
        text = self._log.read_bytes()[self._read :].decode("latin-1")
        return [line for line in map(self._parse, text.splitlines()) if line]


def _nginx_line(line):
    match = re.match(r"(\d+)\|([^|]*)\|(.*)", line)
    if not match:
        return None
    status, upstream, request = match.groups()
    # 502, 504 and 499 are nginx's own words for a front that did not answer: Daybook never says them.
    answered = upstream.isdigit() and int(upstream) not in (499, 502, 504)
    return Passed(int(status), int(upstream) if answered else None, upstream != "-", request)


def _haproxy_line(line):
    match = re.match(r"(-?\d+)\|(..)\|([^|]*)\|(.*)", line)
    if not match:
        return None
    status, state, server, request = match.groups()
    # "--" is a session that ended as it should. Where haproxy gave up a request in the midst of its body the status is its own.
    answered = server == "daybook" and state == "--"
    return Passed(int(status), int(status) if answered else None, server == "daybook", request)
