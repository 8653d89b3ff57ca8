"""CHECKS 29: whatever is asked by whomever, a front that is closed answers as /openapi.json says, and never with 5xx.

test_api_clients.py asks a front that is open. Nobody and an admin ask in make test, all others in make attack.
"""

import json

import pytest
from harness.api_scan import ACCEPTS_NOTHING_ELSE, CHECKS, HOOKS, schemathesis, sent, without_headers
from harness.client import Client
from harness.daybook import Daybook
from harness.person import Person, bearer
from harness.shop import Shop, euros
from harness.waiting import wait_until

# The keys of services and of the house; a customer has a session.
KEYS = ("support", "vendor", "analyst", "auditor", "service")
VENDOR = "Teekontor"
# Whose session has ended asks as nobody: he does not end it.
BUT = "(/stream|/v1/sessions/current)$"


class House:
    """A closed front, things in it, and a credential for each who may come in."""

    def __init__(self, daybook):
        self.daybook = daybook
        self.admin = self.key("admin")
        self.customer = Person(daybook, Client(daybook.url)).verified()
        self.session = self.customer.logged_in()
        self.things = self.stocked() | self.bought() | self.to_lose()

    def key(self, role, *more):
        """The field that brings it."""
        key = self.daybook.run("people", "key", f"{role} of tests", "--role", role, *more).strip()
        headers = {"Authorization": f"Bearer {key}"}
        with Client(self.daybook.url) as client:
            wait_until(lambda: client.get("/openapi.json", headers=headers).status_code == 200, "the key being known")
        return headers

    def stocked(self):
        with Client(self.daybook.url) as client:
            client.http.headers.update(self.admin)
            body = {"title": "Tea", "vendor": VENDOR, "variants": [{"sku": "tea", "price": euros(500)}]}
            product = client.expect(201, client.post("/v1/products", body))["id"]
            client.expect(200, client.post(f"/v1/products/{product}/publish"))
            shop = Shop(client)
            shop.stock("tea", 1_000_000)
            shop.available("tea")
            self.customer.client.position = client.position
        return {"product": product, "sku": "tea"}

    def bought(self):
        """By the customer, whose other session can be ended."""
        client = self.customer.client
        client.http.headers.update(bearer(self.session))
        shop = Shop(client)
        order = shop.buy(("tea", 1))
        # As from another browser: a login ends the session that it brings along.
        with Client(self.daybook.url) as elsewhere:
            elsewhere.position = client.position
            other = elsewhere.expect(201, self.customer.log_in(client=elsewhere))["session"]
        cart = shop.cart(("tea", 1))["id"]
        return {"order": order["id"], "payment": order["payments"][0]["id"], "cart": cart, "session": other}

    def to_lose(self):
        """What an admin may revoke and erase."""
        with Client(self.daybook.url) as client:
            spare = Person(self.daybook, client).verified().id
            body = {"name": "spare", "roles": [{"role": "service"}]}
            key = client.expect(201, client.post("/v1/api-keys", body, headers=self.admin))["id"]
        return {"customer": spare, "key": key, "subject": self.daybook.topic("orders-daybook.orders.OrderPlaced")}

    def credential(self, who):
        if who == "nobody":
            return {}
        if who == "admin":
            return self.admin
        if who == "customer":
            return bearer(self.session)
        return self.key(who, *(("--vendor", VENDOR) if who == "vendor" else ()))


@pytest.fixture(scope="module")
def house(stack):
    daybook = Daybook(stack, name="each", access="closed")
    try:
        made = House(daybook.install().start())
        yield made
        made.customer.client.close()
    finally:
        daybook.discard()


# What shows by its answer that he is still whom he was.
OWN = {
    "nobody": "/v1/products",
    "customer": "/v1/me",
    "admin": "/v1/api-keys",
    "support": "/v1/customers",
    "service": "/v1/stock/tea/movements",
}


# Who may do nothing and who may do all are in make test; each takes a quarter of a minute.
ALONE_IN_ATTACK = [pytest.param(who, marks=pytest.mark.attack) for who in ("customer", *KEYS)]


@pytest.mark.parametrize("who", ["nobody", "admin", *ALONE_IN_ATTACK])
def test_nothing_undocumented_is_answered_to(house, who, tmp_path):
    headers = house.credential(who)
    with Client(house.daybook.url) as client:
        document = without_headers(client.get("/openapi.json").json())
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        arguments = ("--url", house.daybook.url, *sent(headers))
        schemathesis(
            tmp_path, tmp_path / "openapi.json", house.things, (*CHECKS, ACCEPTS_NOTHING_ELSE), *arguments, hooks=HOOKS, but=BUT
        )
        own = OWN.get(who, "/v1/orders")
        assert client.get(own, headers=headers).status_code == 200, f"{who} is let in no more: the last of it nobody asked"
    assert house.daybook.service.is_running()
