"""What a test's own clients sent and were answered: the only witness that the system under test cannot influence.

A journal is a file of JSON lines, one for each operation, written when it ends:

    process      int: who did it, one operation at a time. One that ended unknown does nothing more; its thread goes on as
                 another process, as Jepsen's histories have it
    op           "reserve" (a cart of one line is checked out), "release" (that order is cancelled), "receive" (units come
                 in), or "command" (anything else: a cart is opened)
    key          its Idempotency-Key, the same for every attempt
    sku, quantity
    invoke_us    when the first attempt was sent ...
    return_us    ... and when the answer was had, by one monotonic clock; null when none was
    outcome      "ok": it was done; "fail": it was refused and nothing happened; "unknown": no answer was had in time,
                 so it happened once or not at all, whenever
    code         the problem's code; "payment_declined" is an ok: the units are held, the order waits to be paid. A fail
                 with a 503's code was never answered anything else
    order        what the answer names: the order (the cart of a command), "" when there is none

A release is answered when the order is cancelled; its units come free a moment later, in a step of their own. Whoever
checks for linearizability lets it take effect at any time after it was invoked.
"""

import hashlib
import json
import threading
import time
from dataclasses import asdict, dataclass

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"


def now_us():
    return time.monotonic_ns() // 1000


def trace_id(key):
    """The trace under which an operation is sent: by it its events are found in the log."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def headers_of(key):
    """What every attempt of an operation is sent with."""
    return {"Idempotency-Key": key, "traceparent": f"00-{trace_id(key)}-{'1' * 16}-01"}


@dataclass
class Entry:
    process: int
    op: str
    key: str
    sku: str
    quantity: int
    invoke_us: int
    return_us: int | None = None
    outcome: str = UNKNOWN
    code: str = ""
    order: str = ""

    def ended(self, outcome, code="", order=""):
        self.return_us = None if outcome == UNKNOWN else now_us()
        self.outcome, self.code, self.order = outcome, code, order


class Journal:
    """Any thread may write to it; each line is in the file when `write` returns."""

    def __init__(self, path):
        self.path = path
        self._file = open(path, "a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def write(self, entry):
        with self._lock:
            self._file.write(json.dumps(asdict(entry)) + "\n")

    def close(self):
        self._file.close()


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [Entry(**json.loads(line)) for line in lines]
