"""A client of the HTTP front, as a storefront would write it."""

import uuid

import httpx

from .access import KEY
from .authority import NOBODY

POSITION = "Daybook-Position"


class Client:
    """Requests with JSON bodies and an Idempotency-Key; each sees what the one before it did, by its position.

    `requests` are answered as they are: a problem is a response to look at, not an exception. `expect` is for the
    steps of a test that must work. `source` is the address that it comes from: all of 127.0.0.0/8 is this machine.
    """

    def __init__(self, base_url, timeout=30.0, verify=NOBODY, source=None):
        transport = httpx.HTTPTransport(local_address=source, verify=verify) if source else None
        self.http = httpx.Client(base_url=base_url, timeout=timeout, verify=verify, auth=KEY, transport=transport)
        self.position = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.http.close()

    def get(self, path, headers=None, **options):
        sent = dict(headers or {})
        if self.position and POSITION not in sent:
            sent[POSITION] = self.position
        answer = self.http.get(path, headers=sent, **options)
        self.position = answer.headers.get(POSITION, self.position)
        return answer

    def post(self, path, body=None, key=None, **options):
        return self.command("POST", path, body, key, **options)

    def put(self, path, body=None, key=None, **options):
        return self.command("PUT", path, body, key, **options)

    def patch(self, path, body=None, key=None, **options):
        return self.command("PATCH", path, body, key, **options)

    def delete(self, path, key=None, **options):
        return self.command("DELETE", path, None, key, **options)

    def command(self, method, path, body=None, key=None, headers=None, **options):
        """`key` is the Idempotency-Key: a fresh one when not given."""
        sent = {"Idempotency-Key": key or str(uuid.uuid4())} | dict(headers or {})
        if self.position:
            sent.setdefault(POSITION, self.position)
        if body is not None:
            options["json"] = body
        answer = self.http.request(method, path, headers=sent, **options)
        self.position = answer.headers.get(POSITION, self.position)
        return answer

    def expect(self, status, answer):
        """The answer's JSON, after checking its status."""
        assert answer.status_code == status, (
            f"{answer.request.method} {answer.request.url} gave {answer.status_code} instead of {status}: {answer.text}"
        )
        return answer.json() if answer.content else None
