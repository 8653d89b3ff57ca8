"""A house that asks who comes: its admin, by a key, and people who are logged in."""

import base64
import hashlib
import hmac
import subprocess
import time

import httpx

from .authority import NOBODY
from .client import Client
from .daybook import BINARY
from .person import Person, bearer
from .processes import clean_environment
from .waiting import wait_until


def people(daybook, *arguments):
    """`daybook people`: what it prints."""
    environment = clean_environment(daybook.environment())
    ended = subprocess.run([BINARY, "people", *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


class Me(Person):
    """Somebody who is logged in: `client` is his, by `doors` he comes in, as nobody, having seen what he did."""

    def __init__(self, daybook, **more):
        super().__init__(daybook, Client(daybook.url), **more)
        self.doors = Client(daybook.url)

    def log_in(self, **more):
        self.doors.position = self.client.position
        answer = super().log_in(client=self.doors, **more)
        self.client.position = self.doors.position
        return answer

    def comes_in(self):
        self.session = self.logged_in()
        self.client.http.headers.update(bearer(self.session))
        return self

    def close(self):
        self.client.close()
        self.doors.close()


class House:
    """A closed installation, its admin's key, and whoever comes."""

    def __init__(self, daybook):
        self.daybook = daybook
        self.key = people(daybook, "key", "admin of tests", "--role", "admin")
        self.admin = Client(daybook.url)
        self.admin.http.headers["Authorization"] = f"Bearer {self.key}"
        wait_until(lambda: self.admin.get("/v1/api-keys").status_code == 200, "the key being known", 20)

    def service(self):
        made = self.admin.expect(201, self.admin.post("/v1/api-keys", {"name": "of a test", "roles": [{"role": "service"}]}))
        headers = {"Authorization": f"Bearer {made['secret']}"}
        with httpx.Client(base_url=self.daybook.url, headers=headers, verify=NOBODY) as service:
            wait_until(lambda: service.get("/v1/products").status_code == 200, "the key being known", 20)
        return headers

    def someone(self, **more):
        """A person who has proved his mailbox and is logged in."""
        return Me(self.daybook, **more).verified().comes_in()


def code_of(secret, at=None):
    """RFC 6238, with what apps take for granted."""
    step = int((at or time.time()) // 30).to_bytes(8, "big")
    mac = hmac.new(base64.b32decode(secret), step, hashlib.sha1).digest()
    number = int.from_bytes(mac[mac[-1] & 15 :][:4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def next_code(secret, used):
    """One that was not used: with luck that of the next step, which is taken as well."""
    return next(code for code in (code_of(secret), code_of(secret, time.time() + 30)) if code not in used)
