"""Free TCP ports of the loopback.

They are taken from below the range that the kernel gives to outgoing connections (32768 and up), so that no client's
connection can sit on a port between the moment it is found free and the moment its server listens. Each is given once.
"""

import random
import socket

_given = set()


def free_port(neighbours=0):
    """A port that nobody listens on; with `neighbours`, neither on so many after it."""
    for _ in range(1000):
        port = random.randrange(20000, 32000)
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
