"""Waiting for a condition with a deadline, never for a fixed time."""

import time


class Overdue(AssertionError):
    """A condition that did not come true in time."""


def wait_until(condition, what, seconds=20.0, pause=0.02):
    """Polls `condition` until it gives something true, and returns that.

    An exception counts as "not yet"; the last one is told when the deadline passes.
    """
    deadline = time.monotonic() + seconds
    last_error = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last_error = None
        except Exception as error:  # the reason is told below
            last_error = error
        if time.monotonic() >= deadline:
            reason = f": {last_error!r}" if last_error else ""
            raise Overdue(f"{what} did not happen within {seconds:g} s{reason}") from last_error
        time.sleep(pause)
