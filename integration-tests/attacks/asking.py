"""What is asked at each route of the table, and what is told who may: by hand, from docs/http.md."""

import itertools
import re
from dataclasses import dataclass, field

from access_table import REFUSALS, Row
from harness.shop import euros
from market import TOKEN, Caller, canaries_in, ulid_of
from pipelining import Request

NOWHERE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"  # a ULID that nothing has
PASSWORD, WRONG = "a sentence of mine", "a sentence of nobody"
BAD_TOKEN = "x" * 32
ADDRESS = {"recipient": "Somebody", "street": ["Market 2"], "city": "Kassel", "country": "DE"}

# By the first parameter of a path: what is said of one that is not there, and such a one.
UNKNOWN = {
    "product": ("unknown_product", f"prod_{NOWHERE}"),
    "sku": ("unknown_sku", "no-such-sku"),
    "barcode": ("unknown_barcode", "no-such-code"),
    "cart": ("unknown_cart", f"cart_{NOWHERE}"),
    "order": ("unknown_order", f"ord_{NOWHERE}.1"),
    "customer": ("unknown_customer", f"cus_{NOWHERE}"),
    "address": ("unknown_address", "99"),
}

# What everybody may read when it is public.
PUBLIC_READS = {
    "/v1/products/{product}",
    "/v1/variants/{sku}",
    "/v1/barcodes/{barcode}",
    "/v1/stock/{sku}",
    "/v1/stock/{sku}/stream",
}

REMOVERS = ("vendor", "admin", "vendor_key")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Thing:
    """What the path names, and whose it is."""

    owner: str | None = None  # whose canaries it has
    customer: str | None = None  # whose it is
    vendor: str | None = None
    vendors: frozenset = frozenset()  # who see their lines of it
    is_public: bool = False
    is_open: bool = True  # a cart
    proof: str | None = None  # the token that speaks for it, or did before it was a customer's
    parameters: dict = field(default_factory=dict)
    query: str = ""

    def __str__(self):
        return f"{self.owner or 'nothing'}{self.query}"


@dataclass(frozen=True)
class Ask:
    """One request, and what it must be told."""

    row: Row
    caller: Caller
    thing: Thing
    request: Request
    status: int
    code: str | None
    absent: Request | None = None  # the same of what is not there, which must be told the same
    must_show: frozenset = frozenset()  # canaries
    may_show: frozenset = frozenset()
    may_name: frozenset = frozenset()  # whose customer's id it may hold

    def __str__(self):
        return f"{self.caller} asks {self.row} of {self.thing}"


def first_parameter(row):
    """The one that names the thing."""
    return next(iter(re.findall(r"{(\w+)}", row.path)), None)


# ---- things ----------------------------------------------------------------------------------------------------------


def _items(market, row, caller):
    is_for_doomed = row.path.endswith("/archive") or (row.method == "DELETE" and "/variants/" in row.path)
    for item in market.items:
        if bool(item.spares) != is_for_doomed:
            continue
        parameters = {"product": item.product, "sku": item.sku, "barcode": item.barcode}
        if item.spares and row.method == "DELETE":  # each who may removes another one
            parameters["sku"] = item.spares[REMOVERS.index(caller.name) if caller.name in REMOVERS else 0]
        yield Thing(item.owner, None, item.vendor, is_public=item.is_public, parameters=parameters)


def _purchases(market, row):
    for one in market.purchases:
        is_checkout, is_of_waiting = row.path.endswith("/checkout"), row.path.endswith(("/payments", "/confirmation", "/cancel"))
        parameters = {
            "cart": one.bought_cart if is_checkout else one.cart,
            "order": one.waiting if is_of_waiting else one.order,
            "payment": one.payment,
            "sku": market.item("Kiln", True).sku,
        }
        yield Thing(
            one.owner,
            one.customer,
            vendors=one.vendors,
            is_open=one.is_open,
            proof=market.tokens.get(ulid_of(parameters[first_parameter(row)])),
            parameters=parameters,
        )


def _people(market, row, caller):
    names = {"ann", "bob"} | ({caller.person} - {None})
    if row.changes and "verification" not in row.path and "password" not in row.path:
        names = {"era"} if row.path.endswith("{customer}") else {"sam"}
    for name in sorted(names):
        yield Thing(name, name, parameters={"customer": market.ids[name]})


def _addresses(market, row, caller):
    """Numbers, each person's own: another's is one that the caller has not got so far."""
    for name in sorted({"kim", caller.person or "ann"}):
        first, second, *_, last = market.addresses[name]
        kept = last if name == "kim" else second if row.method == "DELETE" else first
        yield Thing(name, name, parameters={"address": kept})


def _commands(market):
    for sender, command in market.commands.items():
        if sender in ("Leaf", "Kiln"):
            draft = market.item(sender, False)
            yield Thing(draft.owner, None, sender, parameters={"command": command})
        else:
            one = market.purchase(sender)
            proof = market.tokens.get(ulid_of(one.cart))
            yield Thing(one.owner, one.customer, proof=proof, parameters={"command": command})


def _lists(market, row, caller):
    yield Thing()
    if row.path == "/v1/orders":
        for name in sorted({"ann", "bob"} | ({caller.person} - {None})):
            yield Thing(name, name, query=f"?customer={market.ids[name]}")


def _things(market, row, caller):
    first = first_parameter(row)
    if first in ("product", "sku", "barcode"):
        return _items(market, row, caller)
    if first in ("cart", "order", "payment"):
        return _purchases(market, row)
    if first == "customer":
        return _people(market, row, caller)
    if first == "address":
        return _addresses(market, row, caller)
    if first == "command":
        return _commands(market)
    return _lists(market, row, caller)


# ---- requests --------------------------------------------------------------------------------------------------------

# Each makes the body of a request that asks for nothing but what may be asked.
BODIES = {
    "POST /v1/products": lambda market, n: {
        "title": "New",
        "variants": [{"sku": f"new-{n}", "price": euros(100)}],
    },
    "PATCH /v1/products/{product}": lambda market, n: {"description": f"Described {n} times."},
    "POST /v1/products/{product}/variants": lambda market, n: {"sku": f"more-{n}", "price": euros(100)},
    "PATCH /v1/products/{product}/variants/{sku}": lambda market, n: {"weight_g": n},
    "PUT /v1/categories/{category}": lambda market, n: {"title": f"Category {n}"},
    "POST /v1/stock/{sku}/receipts": lambda market, n: {"location": "main", "quantity": 1},
    "POST /v1/stock/{sku}/adjustments": lambda market, n: {"location": "main", "delta": 1, "reason": "counted"},
    "POST /v1/stock/{sku}/transfers": lambda market, n: {"from": "main", "to": "shop", "quantity": 1},
    "POST /v1/carts": lambda market, n: {"currency": "EUR"},
    "PUT /v1/carts/{cart}/lines/{sku}": lambda market, n: {"quantity": 1 + n % 50},
    "POST /v1/carts/{cart}/checkout": lambda market, n: {"payment": {"provider": "test", "method": "approve"}},
    "POST /v1/orders/{order}/payments": lambda market, n: {"provider": "test", "method": "decline"},
    "POST /v1/orders/{order}/confirmation": lambda market, n: {},
    "POST /v1/orders/{order}/cancel": lambda market, n: {"reason": "asked"},
    "POST /v1/payments/{payment}/capture": lambda market, n: {"reason": "asked"},
    "POST /v1/payments/{payment}/void": lambda market, n: {"reason": "asked"},
    "POST /v1/payments/{payment}/refunds": lambda market, n: {"amount": euros(1), "reason": "asked"},
    "POST /v1/customers": lambda market, n: {"email": f"new{n}@example.org", "password": PASSWORD},
    "POST /v1/customers/password-resets": lambda market, n: {"email": "nobody@example.org"},
    "POST /v1/customers/{customer}/verification": lambda market, n: {"token": BAD_TOKEN, "password": PASSWORD},
    "PUT /v1/customers/{customer}/password": lambda market, n: {"token": BAD_TOKEN, "password": PASSWORD},
    "POST /v1/me/email-verification": lambda market, n: {"token": BAD_TOKEN},
    "PATCH /v1/me": lambda market, n: {"name": f"Called {n}"},
    "POST /v1/me/addresses": lambda market, n: {"address": dict(ADDRESS)},
    "PUT /v1/me/addresses/{address}": lambda market, n: {"address": ADDRESS | {"city": f"City {n}"}},
    "PUT /v1/me/consents/{purpose}": lambda market, n: {"granted": True},
    "PUT /v1/me/password": lambda market, n: {"current": WRONG, "password": "another sentence of mine"},
    "PUT /v1/me/email": lambda market, n: {"email": f"moved{n}@example.org", "password": WRONG},
    "POST /v1/me/totp": lambda market, n: {"password": WRONG},
    "PUT /v1/me/totp": lambda market, n: {"code": "000000"},
    "DELETE /v1/me/totp": lambda market, n: {"password": WRONG, "code": "000000"},
    "DELETE /v1/me": lambda market, n: {"password": WRONG},
    "POST /v1/sessions": lambda market, n: {"email": "nobody@example.org", "password": WRONG},
    "POST /v1/sessions/refresh": lambda market, n: {"refresh_token": BAD_TOKEN},
    "PUT /v1/customers/{customer}/roles": lambda market, n: {"roles": [{"role": "support"}]},
    "POST /v1/customers/{customer}/suspend": lambda market, n: {"reason": "robbed"},
    "POST /v1/api-keys": lambda market, n: {"name": "new", "roles": [{"role": "service"}]},
    "POST /v1/customers/lookup": lambda market, n: {"email": market.people["ann"].email},
    "POST /v1/webhooks/{provider}": lambda market, n: {"intent": "forged"},
}


def _fixed(market, row):
    """What the path names beside things."""
    return {
        "key": market.keys["rotated" if row.path.endswith("/rotate") else "revoked"]["id"],
        "category": "asked" if row.method == "PUT" else "no-such-category",
        "session": "99",
        "purpose": "newsletter",
        "schema": "1",
        "subject": market.subject,
        "version": "1",
        "provider": "test",
    }


def request_of(market, row, caller, thing, parameters=None):
    names = _fixed(market, row) | thing.parameters | (parameters or {})
    path = row.path
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    headers = dict(caller.headers)
    if caller.guest:
        is_his = thing.owner == caller.guest or thing.owner == "adopted"
        headers[TOKEN] = (is_his and thing.proof) or market.tokens[ulid_of(market.purchase(caller.guest).cart)]
    if caller.name != "operator":  # whoever comes through a proxy that nobody named is none
        headers["X-Forwarded-For"] = "203.0.113.7"
    if row.path.endswith("{customer}") and row.method == "DELETE":
        headers["Prefer"] = "wait=60"
    body = BODIES.get(str(row))
    query = "?limit=200" if row.path == "/v1/customers" and not row.changes else thing.query or row.query
    return Request(row.method, path + query, headers, body and body(market, next(_numbers)))


# ---- who may ---------------------------------------------------------------------------------------------------------


def _is_his(row, caller, thing):
    if thing.owner is None or (row.path == "/v1/orders"):
        return True  # nothing is named, or what is found is his own whatever he asks for
    if thing.customer is not None and thing.customer == caller.person:
        return True
    if caller.vendor is None:
        return False
    return thing.vendor == caller.vendor or (row.path == "/v1/orders/{order}" and caller.vendor in thing.vendors)


def is_granted(row, caller, thing):
    cell = cell_of(row, caller, thing)
    is_public = not row.changes and row.path in PUBLIC_READS and not row.query and thing.is_public
    return {
        "yes": True,
        "public": is_public,
        "own": is_public or _is_his(row, caller, thing),
        "guest": thing.owner == caller.guest,
    }.get(cell, False)


def cell_of(row, caller, thing):
    """A guest's token is another cart's where the thing is none of his."""
    is_wrong = caller.guest and thing.owner is not None and thing.owner != caller.guest
    return row.cells["wrong" if is_wrong else caller.column]


# What is said to whoever may, where it is not 200: a refusal by the state of the thing, or of what proves nothing, tells as well
# that he was let in.
GRANTED = {
    "POST /v1/products": (201, None),
    "POST /v1/products/{product}/variants": (201, None),
    "GET /v1/categories/{category}": (404, "unknown_category"),
    "DELETE /v1/categories/{category}": (404, "unknown_category"),
    "POST /v1/carts": (201, None),
    "POST /v1/carts/{cart}/checkout": (409, "cart_not_open"),
    "POST /v1/orders/{order}/payments": (402, "payment_declined"),
    "POST /v1/orders/{order}/confirmation": (409, "order_not_confirmed"),
    "POST /v1/payments/{payment}/capture": (409, "payment_not_capturable"),
    "POST /v1/payments/{payment}/void": (409, "payment_not_voidable"),
    "POST /v1/customers": (201, None),
    "POST /v1/customers/password-resets": (202, None),
    "POST /v1/customers/{customer}/verification": (401, "invalid_token"),
    "PUT /v1/customers/{customer}/password": (401, "invalid_token"),
    "POST /v1/me/email-verification": (401, "invalid_token"),
    "POST /v1/me/addresses": (201, None),
    "PUT /v1/me/password": (401, "invalid_credentials"),
    "PUT /v1/me/email": (401, "invalid_credentials"),
    "POST /v1/me/totp": (401, "invalid_credentials"),
    "PUT /v1/me/totp": (409, "totp_state"),
    "DELETE /v1/me/totp": (401, "invalid_credentials"),
    "DELETE /v1/me": (401, "invalid_credentials"),
    "DELETE /v1/me/sessions/{session}": (404, "unknown_session"),
    "POST /v1/sessions": (401, "invalid_credentials"),
    "POST /v1/sessions/refresh": (401, "session_ended"),
    "DELETE /v1/customers/{customer}/totp": (409, "totp_state"),
    "POST /v1/api-keys": (201, None),
    "GET /v1/analytics/sales": (400, "invalid_parameter"),  # of no range
    "POST /v1/webhooks/{provider}": (401, "invalid_signature"),
    "GET /docs/renderer.js": (404, "unknown_path"),
}


def _told_who_may(row, thing):
    if row.path.startswith("/v1/carts/{cart}/lines") and not thing.is_open:
        return 409, "cart_not_open"
    return GRANTED.get(str(row), (200, None))


def _told_who_may_not(row, caller, thing):
    cell = cell_of(row, caller, thing)
    if cell in REFUSALS:
        return REFUSALS[cell]
    return 404, UNKNOWN[first_parameter(row)][0]


# ---- what is shown ---------------------------------------------------------------------------------------------------

NOTHING = frozenset()


def _one(kind, owner):
    return frozenset({(kind, owner)})


def _purchases_of(market, name):
    return frozenset(("purchase", one.owner) for one in market.purchases if one.customer == name)


def _shown_in_list_of_orders(market, caller, thing):
    """Whose customer is named has to be who sees it as well: all filters are met, and one of them is who asks."""
    if caller.vendor and not thing.query:
        return NOTHING  # lines alone
    if caller.column in ("customer", "vendor", "vendor_key"):
        is_himself = not thing.query or thing.customer == caller.person
        return _purchases_of(market, caller.person) if is_himself and caller.person else NOTHING
    if thing.query:
        return _purchases_of(market, thing.customer)
    return frozenset(("purchase", one.owner) for one in market.purchases)


def _shown_by_command(caller, thing):
    """Else it is only told that it is decided."""
    if thing.vendor:
        is_shown = caller.column in ("support", "admin", "analyst", "auditor") or thing.vendor == caller.vendor
        return _one("goods", thing.owner) if is_shown else NOTHING
    is_his = thing.customer == caller.person if thing.customer else thing.owner == caller.guest
    return _one("purchase", thing.owner) if is_his or caller.column in ("support", "admin") else NOTHING


def _shown_of_people(market, row, caller, thing):
    himself = _one("person", caller.person)
    if row.path == "/v1/me/export":
        return himself | _purchases_of(market, caller.person)
    if row.path == "/v1/customers/{customer}/export":
        return _one("person", thing.owner) | _purchases_of(market, thing.owner)
    if row.path == "/v1/customers/lookup":
        return _one("person", "ann")
    if row.path == "/v1/customers" and not row.changes:
        return frozenset(("person", name) for name in market.people)
    if str(row) == "GET /v1/customers/{customer}":
        return _one("person", thing.owner)
    is_own_document = row.path == "/v1/me" or row.path.startswith(("/v1/me/addresses", "/v1/me/consents"))
    return himself if is_own_document else NOTHING


def _shown(market, row, caller, thing):
    """The canaries that stand in the answer to whoever may."""
    if row.path.startswith(("/v1/customers", "/v1/me")):
        return _shown_of_people(market, row, caller, thing)
    if row.path == "/v1/orders":
        return _shown_in_list_of_orders(market, caller, thing)
    if row.path.startswith("/v1/commands"):
        return _shown_by_command(caller, thing)
    if row.path.endswith("/movements"):
        return _one("ledger", thing.owner)
    if row.path.startswith(("/v1/products/{product}", "/v1/variants", "/v1/barcodes")):
        return NOTHING if thing.is_public else _one("goods", thing.owner)
    if row.path.startswith(("/v1/carts/{cart}", "/v1/orders/{order}")):
        is_whole = caller.column != "vendor_key" and (caller.vendor is None or thing.customer == caller.person)
        return _one("purchase", thing.owner) if is_whole else NOTHING
    return NOTHING


def _named(market, row, caller, thing, shown):
    """Whose id may stand in the answer to whoever may."""
    of_purchases = {market.purchase(owner).customer for kind, owner in shown if kind == "purchase"}
    of_people = {owner for kind, owner in shown if kind == "person"}
    is_for_house = caller.column in ("support", "admin", "analyst", "auditor", "service")
    named = of_purchases | of_people | {caller.person}
    if row.path.startswith("/v1/customers/{customer}") and row.changes and caller.column == "admin":
        named |= {thing.owner}
    if row.path.endswith("/movements") and is_for_house:
        named |= set(market.people)  # who received and who bought
    return frozenset(named - {None})


# ---- all of it -------------------------------------------------------------------------------------------------------


def _absent(market, row, caller, thing, status):
    """None: nothing is to be told alike. A token that was good for a cart says by itself that there was one."""
    if status != 404 or (row.changes and caller.guest and thing.owner == "adopted"):
        return None
    first = first_parameter(row)
    return request_of(market, row, caller, thing, {first: UNKNOWN[first][1]})


def asks_of(market, rows, caller):
    for row in rows:
        for thing in _things(market, row, caller):
            request = request_of(market, row, caller, thing)
            if is_granted(row, caller, thing):
                if row.path.endswith("/publish") and not thing.is_public:
                    continue  # what is a draft stays one
                status, code = _told_who_may(row, thing)
                shown = _shown(market, row, caller, thing) if code is None else NOTHING
                named = _named(market, row, caller, thing, shown)
                yield Ask(row, caller, thing, request, status, code, None, shown, shown, named)
            else:
                status, code = _told_who_may_not(row, caller, thing)
                yield Ask(row, caller, thing, request, status, code, _absent(market, row, caller, thing, status))


def assert_shows_no_more(market, ask, answer):
    shown = canaries_in(answer.text)
    assert shown <= ask.may_show, f"{ask}: shows {shown - ask.may_show}: {answer}"
    named = {name for name, one in market.ids.items() if one in answer.text}
    assert named <= ask.may_name, f"{ask}: names {named - ask.may_name}: {answer}"
    assert ask.must_show <= shown, f"{ask}: does not show {ask.must_show - shown}: {answer}"
