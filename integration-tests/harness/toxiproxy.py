"""Links that can be harmed: Toxiproxy (Shopify) between a process and a server that it needs.

A fault is a name in FAULTS. "Up" is from the process to the server, "down" the other way. A silent link takes bytes and passes
none on; its connections stand, as when a cable is pulled: nobody is told.
"""

import subprocess

import httpx

from .ports import free_port
from .processes import Process
from .stack import SCRIPTS


def _toxic(kind, stream, **attributes):
    return {"type": kind, "stream": stream, "attributes": attributes}


_SILENT_UP, _SILENT_DOWN = _toxic("timeout", "upstream", timeout=0), _toxic("timeout", "downstream", timeout=0)

FAULTS = {
    "cut": [],  # connections end, and new ones are refused
    "silent": [_SILENT_UP, _SILENT_DOWN],
    "silent_up": [_SILENT_UP],
    "silent_down": [_SILENT_DOWN],  # the server does what it is asked, and nobody hears of it
    "slow": [_toxic("latency", "upstream", latency=500), _toxic("latency", "downstream", latency=500)],  # 1 s there and back
    "narrow": [_toxic("bandwidth", stream, rate=1) for stream in ("upstream", "downstream")],  # 1 kB/s
    "reset": [_toxic("reset_peer", "downstream", timeout=300)],  # RST, 300 ms after a connection began
    "torn": [_toxic("limit_data", "downstream", bytes=700)],  # ends in the middle of some reply
}


class Toxiproxy:
    def __init__(self, directory):
        self.port = free_port()
        server = subprocess.run(
            [SCRIPTS / "toxiproxy.sh"], stdout=subprocess.PIPE, text=True, timeout=600, check=True
        ).stdout.strip()
        command = [server, "-host", "127.0.0.1", "-port", self.port]
        self._process = Process("toxiproxy", command, directory / "toxiproxy.log", {"LOG_LEVEL": "error"})
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def __enter__(self):
        self._process.start()
        self._process.wait_ready(lambda: self._http.get("/version").status_code == 200)
        return self

    def __exit__(self, *_):
        self._http.close()
        self._process.stop()

    def link(self, name, port, listen=None):
        """A link to the server at `port`; the port on which it is reached from now on."""
        listen = listen or free_port()
        self._ask("POST", "/proxies", name=name, listen=f"127.0.0.1:{listen}", upstream=f"127.0.0.1:{port}")
        return listen

    def harm(self, name, fault):
        if fault == "cut":
            self._ask("POST", f"/proxies/{name}", enabled=False)
        for toxic in FAULTS[fault]:
            self._ask("POST", f"/proxies/{name}/toxics", **toxic)

    def heal(self):
        """All links are as new. Connections that were silent end; nobody else is told."""
        self._ask("POST", "/reset")

    def _ask(self, method, path, **body):
        answer = self._http.request(method, path, json=body)
        assert answer.status_code < 300, f"{path}: {answer.text}"
