"""People as tests make them: registered, verified by the token that a mail would bring, logged in."""

import base64
import hashlib
import hmac
import itertools
import uuid

PASSWORD = "a sentence of mine"

_numbers = itertools.count(1)


def mail_token(daybook, use, customer, number):
    """What a mail to the customer has; core/vault/token.h tells how it derives from the installation's secret."""
    parts = [b"mail token", use.encode(), customer.encode(), number.to_bytes(4, "big")]
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    mac = hmac.new((daybook.directory / "secret").read_bytes(), text, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:24]).decode()


def bearer(session):
    return {"Authorization": f"Bearer {session['access_token']}"}


class Person:
    """Somebody with an address of his own. `client` is one for whom it does not matter who asks."""

    def __init__(self, daybook, client, email=None):
        self.daybook, self.client = daybook, client
        self.email = email or f"person{next(_numbers)}.{uuid.uuid4().hex[:8]}@example.org"
        self.password = PASSWORD
        self.id = None

    def registered(self):
        body = {"email": self.email, "password": self.password, "name": "Ada"}
        self.id = self.client.expect(201, self.client.post("/v1/customers", body))["id"]
        return self

    def verify(self, number=1, password=None):
        body = {"token": mail_token(self.daybook, "verify", self.id, number), "password": password or self.password}
        return self.client.post(f"/v1/customers/{self.id}/verification", body)

    def verified(self):
        self.registered()
        standing = self.client.expect(200, self.verify())
        assert standing["status"] == "active"
        return self

    def log_in(self, password=None, key=None, client=None, **more):
        body = {"email": self.email, "password": password or self.password, **more}
        return (client or self.client).post("/v1/sessions", body, key=key)

    def logged_in(self):
        return self.client.expect(201, self.log_in())


def refresh(client, session, key=None):
    return client.post("/v1/sessions/refresh", {"refresh_token": session["refresh_token"]}, key=key)
