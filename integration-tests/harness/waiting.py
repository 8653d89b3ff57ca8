"""Waiting for a condition with a deadline, never for a fixed time."""

import time


class Overdue(AssertionError):
    """A condition that did not come true in time."""


# Of a condition that may take long: what asks costs the processors that it waits for.
PAUSE_S, PAUSE_GROWS, PAUSE_MOST_S = 0.02, 1.2, 0.06


def wait_until(condition, what, seconds=20.0, pause=None):
    """Polls `condition` until it gives something true, and returns that: every `pause` seconds, or every 20 ms at first and
    every 60 ms a little later.

    An exception counts as "not yet"; the last one is told when the deadline passes.
    """
    deadline = time.monotonic() + seconds
    last_error = None
    wait_s = pause or PAUSE_S
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
        time.sleep(wait_s)
        if pause is None:
            wait_s = min(wait_s * PAUSE_GROWS, PAUSE_MOST_S)
