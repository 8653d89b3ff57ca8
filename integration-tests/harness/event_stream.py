"""A reader of Server-Sent Events, as a browser's EventSource takes them (WHATWG HTML, "Server-sent events")."""

import contextlib
import json
from dataclasses import dataclass

import httpx

from .access import KEY
from .authority import NOBODY
from .bounds import within

SILENCE_S = 20  # longer than the time between two heartbeats


@dataclass(frozen=True)
class Event:
    id: int
    data: str

    def json(self):
        return json.loads(self.data)


class EventStream:
    """An open stream; whoever refuses to open one is `refused`, the response."""

    def __init__(self, url, path, last_id=None, position=None):
        self._resources = contextlib.ExitStack()
        client = self._resources.enter_context(httpx.Client(base_url=url, timeout=within(SILENCE_S), verify=NOBODY, auth=KEY))
        headers = {"Last-Event-ID": str(last_id)} if last_id is not None else {}
        if position is not None:
            headers["Daybook-Position"] = position
        self.response = self._resources.enter_context(client.stream("GET", path, headers=headers))
        self.refused = None
        self.comments = []
        self.retry_ms = None
        if self.response.status_code != 200:
            self.response.read()
            self.refused = self.response
        self._lines = self.response.iter_lines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._resources.close()

    def next(self):
        """The next event; None when the answer was whole without one. A cut one is httpx's error."""
        event_id, data = None, []
        for line in self._lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    return Event(event_id, "\n".join(data))
            elif not name:
                self.comments.append(value)
            elif name == "id":
                event_id = int(value)
            elif name == "data":
                data.append(value)
            elif name == "retry":
                self.retry_ms = int(value)
            else:
                raise AssertionError(f"a line of no known name: {line}")
        return None

    def next_comment(self):
        """Of a stream in which no event comes before it."""
        line = next(line for line in self._lines if line)
        assert line.startswith(":"), line
        return line.removeprefix(":")

    def until(self, is_wanted):
        """The events up to the first whose document is wanted, that one included."""
        seen = []
        while not seen or not is_wanted(seen[-1].json()):
            seen.append(self.next())
            assert seen[-1] is not None, f"the stream ended after {seen}"
        return seen
