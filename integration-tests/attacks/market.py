"""A closed Daybook where somebody of each kind has things of his own.

Two customers, two vendors, one of each role, a service and a vendor's service, guests. What somebody says of himself or of
his things has a text in it that stands nowhere else (`canary`): where it is seen somebody was shown what is that one's.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from harness.client import Client
from harness.person import Person, bearer
from harness.shop import euros
from harness.waiting import wait_until

TOKEN = "Daybook-Cart-Token"
CANARY = re.compile(r"canary\.(\w+)\.(\w+)\.end")

# Who there is, and in which role.
PEOPLE = {
    "ann": [],
    "bob": [],
    "vera": [{"role": "vendor", "vendor": "Leaf"}],
    "kim": [{"role": "vendor", "vendor": "Kiln"}],
    "sue": [{"role": "support"}],
    "ada": [{"role": "admin"}],
    "lea": [{"role": "analyst"}],
    "ute": [{"role": "auditor"}],
    "sam": [],  # with whom the house does things
    "era": [],  # whom it erases
}
SPARES = 6


def canary(kind, owner):
    """person: what he says of himself; purchase: of a cart; goods: of what is not published; ledger: of his stock."""
    return f"canary.{kind}.{owner}.end"


def canaries_in(text):
    return set(CANARY.findall(text))


def ulid_of(stream):
    return stream.partition("_")[2].partition(".")[0]


@dataclass(frozen=True)
class Item:
    """A product with a SKU, a barcode and stock."""

    owner: str
    vendor: str
    is_public: bool
    product: str
    sku: str
    barcode: str
    spares: tuple = ()  # more SKUs, to be removed


@dataclass(frozen=True)
class Purchase:
    owner: str  # guest and stranger are two guests, adopted is bob's who brought a guest's token
    customer: str | None
    cart: str
    is_open: bool
    bought_cart: str
    order: str
    payment: str
    waiting: str  # an order that waits for another payment
    vendors: frozenset  # whose goods the order holds


@dataclass(frozen=True)
class Caller:
    """By which column of the table he is judged, and what he brings."""

    name: str
    column: str
    headers: dict
    person: str | None = None
    vendor: str | None = None
    guest: str | None = None  # whose carts' tokens he brings

    def __str__(self):
        return self.name


class Market:
    def __init__(self, daybook):
        self.daybook = daybook
        self.tokens = {}  # of carts, by their ULID
        self.people, self.ids, self.addresses, self.keys = {}, {}, {}, {}
        self.clients = []
        self.admin = self.client({"Authorization": f"Bearer {daybook.run('people', 'key', 'market', '--role', 'admin').strip()}"})
        wait_until(lambda: self.admin.get("/v1/api-keys").status_code == 200, "the front knowing the key")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._add_person, PEOPLE))
        self._add_keys()
        self.items = [*self._goods("vera", "Leaf"), *self._goods("kim", "Kiln")]
        self._see_all()
        self.purchases = self._purchases()
        self._see_all()
        self.commands = self._commands()
        self.subject = self.admin.expect(200, self.admin.get("/registry/subjects"))[0]
        self._see_all()
        self.callers = self._callers()

    # ---- people -----------------------------------------------------------------------------------------------------

    def client(self, headers=None):
        client = Client(self.daybook.url)
        client.http.headers.update(headers or {})
        self.clients.append(client)
        return client

    def close(self):
        for client in self.clients:
            client.close()

    def _add_person(self, name):
        client = self.client()
        person = Person(self.daybook, client, email=f"{canary('person', name)}@example.org").verified()
        self.people[name], self.ids[name] = person, person.id
        if PEOPLE[name]:
            headers = {"Authorization": self.admin.http.headers["Authorization"]}
            client.expect(200, client.put(f"/v1/customers/{person.id}/roles", {"roles": PEOPLE[name]}, headers=headers))
        if name == "bob":
            self._log_in_by_cookie(person)
        client.http.headers.update(bearer(person.logged_in()))
        client.expect(200, client.patch("/v1/me", {"name": canary("person", name)}))
        for _ in range(5 if name == "kim" else 3):
            kept = client.expect(201, client.post("/v1/me/addresses", {"address": self.address(name)}))["addresses"]
        self.addresses[name] = [one["id"] for one in kept]

    def address(self, name):
        return {"recipient": canary("person", name), "street": ["Mill 1"], "city": "Kassel", "country": "DE"}

    def _log_in_by_cookie(self, person):
        answer = person.log_in(cookie=True)
        session = person.client.expect(201, answer)
        access = next(one for one in answer.headers.get_list("Set-Cookie") if one.startswith("__Host-daybook="))
        self.cookie = {"Cookie": access.partition(";")[0]}
        self.csrf = {"Daybook-CSRF": session["csrf_token"]}
        person.client.http.cookies.clear()

    def _add_keys(self):
        """service and vendor come in by theirs; the others are there to be rotated and revoked."""
        for name, role in (
            ("service", {"role": "service"}),
            ("vendor", {"role": "vendor", "vendor": "Leaf"}),
            ("rotated", {"role": "service"}),
            ("revoked", {"role": "service"}),
        ):
            body = {"name": name, "roles": [role]}
            self.keys[name] = self.admin.expect(201, self.admin.post("/v1/api-keys", body))
        for name in ("service", "vendor"):
            wait_until(lambda: self._knows(self.keys[name]["secret"]), f"the front knowing {name}'s key")

    def _knows(self, secret):
        return httpx.get(f"{self.daybook.url}/v1/products", headers={"Authorization": f"Bearer {secret}"}).status_code == 200

    def _see_all(self):
        wait_until(self.daybook.views_have_seen_all, "the views having seen all")

    # ---- goods ------------------------------------------------------------------------------------------------------

    def _goods(self, owner, vendor):
        client = self.people[owner].client
        return [
            self._item(client, owner, vendor, "draft", False),
            self._item(client, owner, vendor, "doomed", False, SPARES),
            self._item(client, owner, vendor, "tea", True),
        ]

    def _item(self, client, owner, vendor, name, is_public, spares=0):
        title = f"{name} of {vendor}" if is_public else canary("goods", owner)
        sku, barcode = f"{vendor}-{name}", f"{vendor}-{name}-code"
        more = tuple(f"{sku}-{number}" for number in range(spares))
        variants = [{"sku": one, "title": title, "price": euros(500)} for one in (sku, *more)]
        variants[0]["barcode"] = barcode
        product = client.expect(201, client.post("/v1/products", {"title": title, "variants": variants}))
        assert product["vendor"] == vendor
        path = f"/v1/products/{product['id']}"
        if is_public:
            client.expect(200, client.post(f"{path}/publish"))
        client.expect(200, client.get(path))
        receipt = {"location": "main", "quantity": 10_000, "reference": canary("ledger", owner)}
        client.expect(200, client.post(f"/v1/stock/{sku}/receipts", receipt))
        return Item(owner, vendor, is_public, product["id"], sku, barcode, more)

    def item(self, vendor, is_public):
        return next(item for item in self.items if (item.vendor, item.is_public) == (vendor, is_public))

    # ---- purchases --------------------------------------------------------------------------------------------------

    def _purchases(self):
        tea, pot = self.item("Leaf", True).sku, self.item("Kiln", True).sku
        ann, bob, vera = (self.people[name].client for name in ("ann", "bob", "vera"))
        return [
            self._purchase("ann", "ann", ann, ann, (tea, pot)),
            self._purchase("bob", "bob", bob, bob, (pot,)),
            self._purchase("vera", "vera", vera, vera, (pot,)),
            self._purchase("guest", None, self.client(), None, (tea, pot)),
            self._purchase("stranger", None, self.client(), None, (pot,)),
            self._purchase("adopted", "bob", self.client(), bob, (pot,)),
        ]

    def _cart(self, owner, client, skus):
        lines = [{"sku": sku, "quantity": 1} for sku in skus]
        body = {"currency": "EUR", "lines": lines, "reference": canary("purchase", owner)}
        made = client.expect(201, client.post("/v1/carts", body))
        if "token" in made:
            self.tokens[ulid_of(made["id"])] = made["token"]
        return made["id"]

    def _check_out(self, owner, client, cart, method):
        body = {"payment": {"provider": "test", "method": method}, "email": f"{canary('person', owner)}@example.org"}
        return client.post(f"/v1/carts/{cart}/checkout", body, headers=self.proof(cart))

    def _purchase(self, owner, customer, opener, buyer, skus):
        """Whoever opens the cart need not be the one who buys."""
        buyer = buyer or opener
        bought = self._cart(owner, opener, skus)
        order = buyer.expect(201, self._check_out(owner, buyer, bought, "approve"))
        declined = self._check_out(owner, buyer, self._cart(owner, opener, skus), "decline")
        assert declined.status_code == 402, declined.text
        is_open = opener is buyer
        return Purchase(
            owner=owner,
            customer=customer,
            cart=self._cart(owner, opener, skus) if is_open else bought,
            is_open=is_open,
            bought_cart=bought,
            order=order["id"],
            payment=order["payments"][0]["id"],
            waiting=declined.json()["order"],
            vendors=frozenset(item.vendor for item in self.items if item.sku in skus),
        )

    def purchase(self, owner):
        return next(purchase for purchase in self.purchases if purchase.owner == owner)

    def proof(self, stream):
        """What speaks for a cart and what came of it, where it began as a guest's."""
        token = self.tokens.get(ulid_of(stream))
        return {TOKEN: token} if token else {}

    def _commands(self):
        """What each sent last, by whom."""
        sent = {}
        for purchase in self.purchases:
            if purchase.is_open:
                client = self.people[purchase.customer].client if purchase.customer else self.client()
                path = f"/v1/carts/{purchase.cart}/lines/{self.item('Kiln', True).sku}"
                sent[purchase.owner] = self._sent(client, "PUT", path, {"quantity": 2}, self.proof(purchase.cart))
        for vendor in ("Leaf", "Kiln"):
            draft = self.item(vendor, False)
            client = self.people[draft.owner].client
            sent[vendor] = self._sent(client, "PATCH", f"/v1/products/{draft.product}", {"description": "Not yet."}, {})
        return sent

    def _sent(self, client, method, path, body, headers):
        answer = client.command(method, path, body, headers={**headers, "Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
        wait_until(lambda: client.get(location, headers=headers).status_code == 200, "the command's outcome")
        return location.rpartition("/")[2]

    # ---- who asks ---------------------------------------------------------------------------------------------------

    def _callers(self):
        def known(name, column, vendor=None):
            headers = {"Authorization": self.people[name].client.http.headers["Authorization"]}
            return Caller(column, column, headers, name, vendor)

        def key(name, column, vendor=None):
            return Caller(column, column, {"Authorization": f"Bearer {self.keys[name]['secret']}"}, vendor=vendor)

        callers = [
            Caller("nobody", "nobody", {}),
            Caller("guest", "token", {}, guest="guest"),
            Caller("another guest", "token", {}, guest="stranger"),
            known("ann", "customer"),
            Caller("customer by cookie", "customer", self.cookie | self.csrf, "bob"),
            known("vera", "vendor", "Leaf"),
            known("sue", "support"),
            known("ada", "admin"),
            known("lea", "analyst"),
            known("ute", "auditor"),
            key("service", "service"),
            key("vendor", "vendor_key", "Leaf"),
        ]
        return {caller.name: caller for caller in callers}
