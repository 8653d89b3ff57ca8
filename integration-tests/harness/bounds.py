"""Bounds of time, which are promised for a quiet machine."""

import os

SLOWER = float(os.environ.get("SLOWER", "1"))


def within(seconds):
    """So many seconds, or SLOWER times as many where others use the machine."""
    return seconds * SLOWER
