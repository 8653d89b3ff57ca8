"""CHECKS 25: every route of access.tsv over HTTP, for each kind of caller and everybody's things.

Who may not is told what the table says, is shown nothing of anybody, and changes nothing; what he may not know of is told as
what is not there. Who may is let in, and shown what is his to see and no more. What a request has no field for is refused.
"""

import pytest
from access_table import AS_OF, read_rows
from asking import BODIES, asks_of, assert_shows_no_more, is_granted
from harness.daybook import Daybook
from harness.events import streams
from harness.shop import euros
from market import Caller, Market, canaries_in
from pipelining import Request, converse

ROWS = read_rows()
CALLERS = (
    "nobody",
    "guest",
    "another guest",
    "customer",
    "customer by cookie",
    "vendor",
    "support",
    "admin",
    "analyst",
    "auditor",
    "service",
    "vendor_key",
)
# Here no credentials are looked at, whatever a browser sends by itself.
DOORS = {
    "POST /v1/customers",
    "POST /v1/customers/password-resets",
    "POST /v1/customers/{customer}/verification",
    "PUT /v1/customers/{customer}/password",
    "POST /v1/sessions",
    "POST /v1/sessions/refresh",
    "POST /v1/webhooks/{provider}",
}
# What is asked when all have asked the rest, in this order: then something is over.
LAST = (
    "POST /v1/orders/{order}/cancel",
    "DELETE /v1/customers/{customer}",
    "DELETE /v1/me/sessions",
    "DELETE /v1/sessions/current",
)
FAMILIES = ("catalog", "stock", "carts", "orders", "payments", "customers", "identities", "keys", "categories")
# What follows of what was done before; that a key was used is an event once an hour.
LATER = {"ApiKeyUsed", "CustomerMailed"}
TELLING_FIELDS = {"etag", "daybook-position", "location", "content-location"}


@pytest.fixture(scope="module")
def market(stack):
    daybook = Daybook(stack, name="every_route", access="closed")
    try:
        market = Market(daybook.install().start())
        assert tuple(market.callers) == CALLERS
        yield market
        market.close()
    finally:
        daybook.discard()


def happened(market):
    """Every event: of which stream, and whose doing it was."""
    daybook = market.daybook
    told = streams(daybook.kafka, *(daybook.topic(family) for family in FAMILIES))
    events = [one for all_of in told.values() for one in all_of if one.name not in LATER]
    return {(one.meta["stream"], one.meta["version"], one.name, one.meta["actor"]) for one in events}


@pytest.fixture(scope="module")
def before(market):
    return happened(market)


def asked(market, asks):
    """(ask, answer) of each."""
    asks = list(asks)
    assert asks
    return zip(asks, converse(market.daybook.port, [ask.request for ask in asks]))


def assert_told(ask, answer):
    assert (answer.status, answer.code) == (ask.status, ask.code), f"{ask}: not {ask.status} {ask.code}: {answer}"


def without_trace(answer):
    return answer.json() | {"trace_id": ""}


def refusals(market, caller, rows=None):
    asks = asks_of(market, rows or [*ROWS, *AS_OF], caller)
    return [ask for ask in asks if not is_granted(ask.row, ask.caller, ask.thing)]


# ---- who may not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLERS)
def test_who_may_not_is_refused_and_shown_nothing(market, before, name):
    asks = refusals(market, market.callers[name])
    for ask, answer in asked(market, asks):
        assert_told(ask, answer)
        assert_shows_no_more(market, ask, answer)
        assert TELLING_FIELDS.isdisjoint(answer.headers), f"{ask}: {answer.headers}"
        assert ("www-authenticate" in answer.headers) == (answer.status == 401), f"{ask}: {answer.headers}"


@pytest.mark.parametrize("name", [name for name in CALLERS if name != "service"])  # of whom nothing is hidden
def test_what_one_may_not_know_of_is_told_as_what_is_not_there(market, before, name):
    hidden = [ask for ask in refusals(market, market.callers[name]) if ask.absent]
    port = market.daybook.port
    of_things, of_nothing = (converse(port, [getattr(ask, one) for ask in hidden]) for one in ("request", "absent"))
    assert hidden
    for ask, there, absent in zip(hidden, of_things, of_nothing):
        assert_told(ask, there)
        assert without_trace(there) == without_trace(absent), f"{ask}: {there}, and of nothing {absent}"
        assert list(there.headers) == list(absent.headers), f"{ask}: {there.headers}, and of nothing {absent.headers}"


def test_a_cookie_changes_nothing_without_the_token_of_its_session(market, before):
    rows = [row for row in ROWS if row.changes and str(row) not in DOORS]
    assert len(rows) > 30
    for headers in (market.cookie, market.cookie | {"Daybook-CSRF": "A" * 32}):
        caller = Caller("a cookie alone", "customer", headers, "bob")
        for ask, answer in asked(market, asks_of(market, rows, caller)):
            assert (answer.status, answer.code) == (403, "csrf_failed"), f"{ask}: {answer}"
            assert not canaries_in(answer.text), f"{ask}: {answer}"


# ---- what nobody is asked for ----------------------------------------------------------------------------------------


def fields(market):
    """What somebody would like to say of himself, of others, or of what it costs."""
    return {
        "price": euros(1),
        "role": "admin",
        "roles": [{"role": "admin"}],
        "customer": market.ids["ann"],
        "vendor": "Kiln",
        "actor": f"admin:{market.ids['ada']}",
        "proved": True,
    }


ASKED_FOR = {
    ("POST /v1/products", "vendor"),
    ("PATCH /v1/products/{product}", "vendor"),
    ("POST /v1/products/{product}/variants", "price"),
    ("PATCH /v1/products/{product}/variants/{sku}", "price"),
    ("PUT /v1/customers/{customer}/roles", "roles"),
    ("POST /v1/api-keys", "roles"),
}

# Of the members of a body: where it is put, and what it is added to.
INSIDE = {
    "POST /v1/products": ("/variants/0/vendor", ("variants", 0)),
    "POST /v1/carts/{cart}/checkout": ("/payment/actor", ("payment",)),
    "POST /v1/me/addresses": ("/address/customer", ("address",)),
    "PUT /v1/customers/{customer}/roles": ("/roles/0/customer", ("roles", 0)),
    "POST /v1/api-keys": ("/roles/0/actor", ("roles", 0)),
}


def who_may(market, row):
    """Somebody's request that is granted."""
    for name in ("customer", "vendor", "admin", "service", "nobody"):
        for ask in asks_of(market, [row], market.callers[name]):
            if is_granted(row, ask.caller, ask.thing):
                return ask
    raise AssertionError(f"nobody may {row}")


def with_body(request, body):
    return Request(request.method, request.path, request.headers, body)


def assert_unknown_field(ask, answer, pointer):
    assert (answer.status, answer.code) == (400, "unknown_field"), f"{ask} with {pointer}: {answer}"
    assert answer.json()["pointer"] == pointer, f"{ask}: {answer}"
    assert not canaries_in(answer.text), f"{ask}: {answer}"


def test_what_a_request_has_no_field_for_is_refused_also_of_who_may(market, before):
    rows = [row for row in ROWS if row.changes and not row.path.startswith("/v1/webhooks")]
    sent = []
    for row in rows:
        ask = who_may(market, row)
        for name, value in fields(market).items():
            if (str(row), name) not in ASKED_FOR:
                sent.append((ask, f"/{name}", with_body(ask.request, (ask.request.body or {}) | {name: value})))
    assert len(sent) > 250
    answers = converse(market.daybook.port, [request for _, _, request in sent])
    for (ask, pointer, _), answer in zip(sent, answers):
        assert_unknown_field(ask, answer, pointer)


def test_nor_has_what_stands_inside_of_one(market, before):
    by_name = {str(row): row for row in ROWS}
    sent = []
    for name, (pointer, path) in INSIDE.items():
        ask = who_may(market, by_name[name])
        body = BODIES[name](market, len(sent))
        member = body
        for step in path:
            member = member[step]
        member[pointer.rpartition("/")[2]] = "Kiln"
        sent.append((ask, pointer, with_body(ask.request, body)))
    line = {"sku": market.item("Leaf", True).sku, "quantity": 1, "price": euros(1)}
    cart = who_may(market, by_name["POST /v1/carts"])
    sent.append((cart, "/lines/0/price", with_body(cart.request, {"currency": "EUR", "lines": [line]})))
    answers = converse(market.daybook.port, [request for _, _, request in sent])
    for (ask, pointer, _), answer in zip(sent, answers):
        assert_unknown_field(ask, answer, pointer)


@pytest.mark.parametrize("name", ["vendor", "vendor_key"])
def test_a_vendor_is_no_other_vendor_by_saying_so(market, before, name):
    rows = [row for row in ROWS if (str(row), "vendor") in ASKED_FOR]
    asks = [ask for ask in asks_of(market, rows, market.callers[name]) if is_granted(ask.row, ask.caller, ask.thing)]
    assert len(asks) == 3  # a new one, and each that he has
    requests = [with_body(ask.request, ask.request.body | {"vendor": "Kiln"}) for ask in asks]
    for ask, answer in zip(asks, converse(market.daybook.port, requests)):
        assert (answer.status, answer.code) == (403, "forbidden_vendor"), f"{ask}: {answer}"


def test_of_all_that_nothing_has_happened(market, before):
    assert sorted(happened(market) - before) == []


# ---- who may ---------------------------------------------------------------------------------------------------------


def assert_let_in(market, asks):
    for ask, answer in asked(market, asks):
        assert_told(ask, answer)
        assert_shows_no_more(market, ask, answer)


def grants(market, caller, rows):
    return [ask for ask in asks_of(market, rows, caller) if is_granted(ask.row, ask.caller, ask.thing)]


@pytest.mark.parametrize("name", CALLERS)
def test_who_may_is_let_in_and_shown_what_is_his(market, name):
    rows = [row for row in [*ROWS, *AS_OF] if str(row) not in LAST]
    asks = grants(market, market.callers[name], rows)
    assert_let_in(market, [ask for ask in asks if not ask.row.changes])
    assert_let_in(market, [ask for ask in asks if ask.row.changes])


@pytest.mark.parametrize("name", [name for name in CALLERS if name not in ("nobody", "service", "vendor_key")])
def test_who_may_ends_what_is_his(market, name):
    for last in LAST:
        rows = [row for row in ROWS if str(row) == last]
        if asks := grants(market, market.callers[name], rows):
            assert_let_in(market, asks)


def test_who_asks_from_here_looks_after_the_process_and_is_nobody_elsewhere(market):
    operator = Caller("operator", "operator", {})
    rows = [row for row in ROWS if row.path == "/metrics"]
    assert_let_in(market, grants(market, operator, rows))
    assert all(row.cells["operator"] == row.cells["nobody"] for row in ROWS if row not in rows)
