"""Free TCP ports of the loopback.

They are taken from below the range that the kernel gives to outgoing connections (32768 and up), so that no client's
connection can sit on a port between the moment it is found free and the moment its server listens. Each is given once:
the processes of one test run (pytest-xdist's workers, gw0 and so on) have ports of their own.
"""

import os
import random
import socket

_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST, _COUNT = 20000, 12000 // _WORKERS

_given = set()


def free_port(neighbours=0):
    """A port that nobody listens on; with `neighbours`, neither on so many after it."""
    for _ in range(1000):
        port = _FIRST + _WORKER * _COUNT + random.randrange(_COUNT - neighbours)
        wanted = range(port, port + neighbours + 1)
        if not _given.intersection(wanted) and all(is_free(one) for one in wanted):
            _given.update(wanted)
            return port
    raise RuntimeError("no free port was found")


def is_free(port):
    """Whether a server could listen on it now; addresses that linger after a connection do not matter to one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
