"""Whether fronts of tests ask who comes, and the key by which the tests' own requests are let in then.

Fronts of tests are open, so that a test need not say who asks. They are closed with DAYBOOK_TEST_ACCESS=closed, or without
`development`, which an open front needs. Then each installation has an admin's key, made by `daybook people key`, and whatever
the harness sends to one of its fronts brings it. A test that sets `access` itself is about who may, and has no such key.
"""

import os

import httpx

# What a test says of callers that bring nothing is not so when all of them bring a key.
IS_CLOSED = os.environ.get("DAYBOOK_TEST_ACCESS", "open") == "closed"

_installations = {}  # by the port of a front


def of(settings):
    """The setting `access` of an installation with these settings, and whether it has a key."""
    if "access" in settings:
        return settings["access"], False
    is_closed = IS_CLOSED or settings["development"] != "true"
    return ("closed", True) if is_closed else ("open", False)


def front_of(installation, port):
    """From now on requests to that port are the installation's."""
    _installations[port] = installation


def forget(installation):
    for port in [port for port, owner in _installations.items() if owner is installation]:
        del _installations[port]


class _Key(httpx.Auth):
    """Of the installation whose front is asked, if it has one; a request that says itself who it is from stays as it is."""

    def auth_flow(self, request):
        installation = _installations.get(request.url.port)
        if installation is not None and "Authorization" not in request.headers and "Cookie" not in request.headers:
            request.headers["Authorization"] = f"Bearer {installation.key()}"
        yield request


# For httpx: Client(..., auth=KEY), get(..., auth=KEY).
KEY = _Key()
